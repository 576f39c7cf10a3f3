#pragma once
#include <stddef.h>

/// Whether libcrypto (OpenSSL 3) could be opened, which is tried once, at the first call of a function of this header.
int tk_crypto_available(void);

/// HMAC-SHA256 (RFC 2104, FIPS 198-1) of `data` under `key` into 32 bytes; returns 0, or -1 without libcrypto or when it fails.
int tk_hmac_sha256(const void *key, size_t key_count, const void *data, size_t data_count, unsigned char *code);

/// Begins a SHA-256 (FIPS 180-4); returns its context, which `tk_sha256_free` ends, or NULL without libcrypto.
void *tk_sha256_begin(void);

/// Adds data to it; returns 0, or -1 when it fails.
int tk_sha256_update(void *context, const void *data, size_t count);

/// Writes the 32 bytes of the digest of all that was added; returns 0, or -1 when it fails. Nothing can be added after that.
int tk_sha256_finish(void *context, unsigned char *digest);

/// Ends a context.
void tk_sha256_free(void *context);
