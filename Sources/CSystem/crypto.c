#include "crypto.h"
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

// Declared here because the headers of OpenSSL are not on every machine; its library is.
typedef const void *(*digest_function)(void);
typedef unsigned char *(*hmac_function)(
    const void *digest, const void *key, int key_count, const unsigned char *data, size_t count, unsigned char *code, unsigned int *code_count);

typedef void *(*context_function)(void);
typedef void (*free_function)(void *context);
typedef int (*begin_function)(void *context, const void *digest, void *engine);
typedef int (*update_function)(void *context, const void *data, size_t count);
typedef int (*finish_function)(void *context, unsigned char *digest, unsigned int *digest_count);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static digest_function sha256;
static hmac_function hmac;
static context_function new_context;
static free_function free_context;
static begin_function begin;
static update_function update;
static finish_function finish;

static void open_library(void) {
    void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    sha256 = (digest_function)dlsym(library, "EVP_sha256");
    hmac = (hmac_function)dlsym(library, "HMAC");
    new_context = (context_function)dlsym(library, "EVP_MD_CTX_new");
    free_context = (free_function)dlsym(library, "EVP_MD_CTX_free");
    begin = (begin_function)dlsym(library, "EVP_DigestInit_ex");
    update = (update_function)dlsym(library, "EVP_DigestUpdate");
    finish = (finish_function)dlsym(library, "EVP_DigestFinal_ex");
}

int tk_crypto_available(void) {
    pthread_once(&once, open_library);
    return sha256 && hmac && new_context && free_context && begin && update && finish;
}

int tk_hmac_sha256(const void *key, size_t key_count, const void *data, size_t data_count, unsigned char *code) {
    if (!tk_crypto_available() || key_count > INT_MAX) return -1;
    unsigned int code_count = 0;
    if (!hmac(sha256(), key, (int)key_count, data, data_count, code, &code_count)) return -1;
    return code_count == 32 ? 0 : -1;
}

void *tk_sha256_begin(void) {
    if (!tk_crypto_available()) return NULL;
    void *context = new_context();
    if (!context) return NULL;
    if (begin(context, sha256(), NULL)) return context;
    free_context(context);
    return NULL;
}

int tk_sha256_update(void *context, const void *data, size_t count) { return update(context, data, count) ? 0 : -1; }

int tk_sha256_finish(void *context, unsigned char *digest) {
    unsigned int count = 0;
    return finish(context, digest, &count) && count == 32 ? 0 : -1;
}

void tk_sha256_free(void *context) { free_context(context); }
