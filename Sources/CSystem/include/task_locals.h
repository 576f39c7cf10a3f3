#pragma once

/// Binds a task-local of the running task, until the matching pop. `key` is the address of the `TaskLocal` object; `value` is moved from.
///
/// What `TaskLocal.withValue` does, without its closures, each of which costs a task with a preferred executor two look-ups of that executor.
/// Both functions are part of the runtime's interface: `withValue` is inlined into its callers and calls them
/// (stdlib/public/Concurrency/TaskLocal.swift). Push and pop must stand in one asynchronous function, around one `await`: the runtime
/// allocates the binding on the task's stack.
void tk_task_local_push(const void *_Nonnull key, void *_Nonnull value, const void *_Nonnull type);

/// Ends the binding that was made last.
void tk_task_local_pop(void);
