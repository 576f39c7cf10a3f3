import Glibc

/// An SQLite database. It belongs to one actor.
public final class Database {
    fileprivate let functions: SQLiteFunctions
    fileprivate let handle: OpaquePointer

    /// Opens a file, or makes it.
    ///
    /// - Throws: ``SQLiteError``, also when SQLite is not installed.
    public init(_ path: String) throws {
        functions = try SQLiteFunctions()
        var handle: OpaquePointer?
        let code = functions.open(path, &handle)
        guard let handle else { throw SQLiteError(message: "there is no memory for SQLite") }
        self.handle = handle
        guard code == 0 else { throw SQLiteError(message: "\(path) cannot be opened: \(lastError)") }
        _ = functions.busyTimeout(handle, 5000)
    }

    deinit { _ = functions.close(handle) }

    /// Prepares a statement, with `?` in place of values.
    ///
    /// - Parameter sql: a literal: nobody can put a value in by accident, or on purpose.
    public func prepare(_ sql: StaticString) throws -> Statement {
        var statement: OpaquePointer?
        let code = functions.prepare(handle, UnsafeRawPointer(sql.utf8Start), Int32(sql.utf8CodeUnitCount), &statement, nil)
        guard code == 0, let statement else { throw SQLiteError(message: "“\(sql)”: \(lastError)") }
        return Statement(statement, of: self)
    }

    fileprivate var lastError: String { String(cString: functions.errorMessage(handle)) }
}

/// A prepared statement.
public final class Statement {
    /// A value of SQLite.
    public enum Value {
        case integer(Int)
        case text(String)
    }

    /// A row of a result, its columns by their place.
    public struct Row {
        fileprivate let statement: Statement

        /// A number.
        public func integer(_ column: Int32) -> Int { Int(statement.functions.integer(statement.handle, column)) }

        /// A text.
        public func text(_ column: Int32) -> String {
            guard let bytes = statement.functions.text(statement.handle, column) else { return "" }
            let count = Int(statement.functions.bytes(statement.handle, column))
            return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
        }
    }

    private let handle: OpaquePointer
    private let database: Database
    private var functions: SQLiteFunctions { database.functions }

    fileprivate init(_ handle: OpaquePointer, of database: Database) {
        self.handle = handle
        self.database = database
    }

    deinit { _ = functions.finalize(handle) }

    /// Executes the statement.
    ///
    /// - Parameters:
    ///   - values: one for each `?`.
    ///   - read: makes something of a row.
    @discardableResult
    public func run<Result>(_ values: Value..., read: (Row) -> Result = { _ in () }) throws -> [Result] {
        defer { _ = functions.reset(handle) }
        for (place, value) in zip(Int32(1)..., values) {
            let code =
                switch value {
                case .integer(let number): functions.bindInteger(handle, place, Int64(number))
                // -1: SQLite makes a copy (SQLITE_TRANSIENT).
                case .text(let text): functions.bindText(handle, place, text, Int32(text.utf8.count), -1)
                }
            guard code == 0 else { throw SQLiteError(message: database.lastError) }
        }
        var results: [Result] = []
        while true {
            switch functions.step(handle) {
            case 100: results.append(read(Row(statement: self)))
            case 101: return results
            default: throw SQLiteError(message: database.lastError)
            }
        }
    }
}

/// What SQLite says, or that it is not there.
public struct SQLiteError: Error, CustomStringConvertible {
    let message: String

    /// What is wrong.
    public var description: String { message }
}

/// The functions of SQLite that are used here (https://sqlite.org/c3ref/funclist.html). The library is opened at run time, so building needs no headers.
private struct SQLiteFunctions {
    let open: @convention(c) (UnsafePointer<CChar>, UnsafeMutablePointer<OpaquePointer?>) -> Int32
    let close: @convention(c) (OpaquePointer) -> Int32
    let busyTimeout: @convention(c) (OpaquePointer, Int32) -> Int32
    let errorMessage: @convention(c) (OpaquePointer) -> UnsafePointer<CChar>
    let prepare: @convention(c) (OpaquePointer, UnsafeRawPointer, Int32, UnsafeMutablePointer<OpaquePointer?>, UnsafeRawPointer?) -> Int32
    let bindInteger: @convention(c) (OpaquePointer, Int32, Int64) -> Int32
    let bindText: @convention(c) (OpaquePointer, Int32, UnsafePointer<CChar>, Int32, Int) -> Int32
    let step: @convention(c) (OpaquePointer) -> Int32
    let reset: @convention(c) (OpaquePointer) -> Int32
    let finalize: @convention(c) (OpaquePointer) -> Int32
    let integer: @convention(c) (OpaquePointer, Int32) -> Int64
    let text: @convention(c) (OpaquePointer, Int32) -> UnsafeRawPointer?
    let bytes: @convention(c) (OpaquePointer, Int32) -> Int32

    init() throws {
        let name = getenv("SQLITE_LIBRARY").map { String(cString: $0) } ?? "libsqlite3.so.0"
        guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
            throw SQLiteError(
                message:
                    "SQLite is missing (\(name)): install it (Debian and Ubuntu: apt install libsqlite3-0), or say with SQLITE_LIBRARY where it is"
            )
        }
        func find<Function>(_ symbol: String) throws -> Function {
            guard let address = dlsym(library, "sqlite3_" + symbol) else { throw SQLiteError(message: "\(name) has no sqlite3_\(symbol)") }
            return unsafeBitCast(address, to: Function.self)
        }
        open = try find("open")
        close = try find("close_v2")
        busyTimeout = try find("busy_timeout")
        errorMessage = try find("errmsg")
        prepare = try find("prepare_v2")
        bindInteger = try find("bind_int64")
        bindText = try find("bind_text")
        step = try find("step")
        reset = try find("reset")
        finalize = try find("finalize")
        integer = try find("column_int64")
        text = try find("column_text")
        bytes = try find("column_bytes")
    }
}
