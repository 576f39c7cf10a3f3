#include "crypto.h"
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

// Declared here because the headers of OpenSSL are not on every machine; its library is.
typedef const void *(*digest_function)(void);
typedef unsigned char *(*hmac_function)(
    const void *digest, const void *key, int key_count, const unsigned char *data, size_t count, unsigned char *code, unsigned int *code_count);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static digest_function sha256;
static hmac_function hmac;

static void open_library(void) {
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    sha256 = (digest_function)dlsym(library, "EVP_sha256");
    hmac = (hmac_function)dlsym(library, "HMAC");
}

int tk_crypto_available(void) {
    pthread_once(&once, open_library);
    return sha256 && hmac;
}

int tk_hmac_sha256(const void *key, size_t key_count, const void *data, size_t data_count, unsigned char *code) {
    if (!tk_crypto_available() || key_count > INT_MAX) return -1;
    unsigned int code_count = 0;
    if (!hmac(sha256(), key, (int)key_count, data, data_count, code, &code_count)) return -1;
    return code_count == 32 ? 0 : -1;
}
