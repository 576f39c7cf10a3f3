#pragma once
#include <stddef.h>

/// Whether libcrypto (OpenSSL 3) could be opened, which is tried once, at the first call of a function of this header.
int tk_crypto_available(void);

/// HMAC-SHA256 (RFC 2104, FIPS 198-1) of `data` under `key` into 32 bytes; returns 0, or -1 without libcrypto or when it fails.
int tk_hmac_sha256(const void *key, size_t key_count, const void *data, size_t data_count, unsigned char *code);
