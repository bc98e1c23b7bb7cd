/* Writes to regular files take longer while the file named by SLOW_DISK exists: preloaded by the fault rounds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static void delay(int descriptor) {
    struct stat about;
    const char *path = getenv("SLOW_DISK");
    if (path && access(path, F_OK) == 0 && fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode))
        usleep(20000);
}

#define SLOWED(type, name, parameters, ...)                        \
    type name parameters {                                         \
        static type(*next) parameters;                             \
        if (!next) next = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        delay(descriptor);                                         \
        return next(__VA_ARGS__);                                  \
    }

SLOWED(ssize_t, write, (int descriptor, const void *data, size_t size), descriptor, data, size)
SLOWED(ssize_t, pwrite, (int descriptor, const void *data, size_t size, off_t at), descriptor, data, size, at)
SLOWED(ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off64_t at), descriptor, data, size, at)
SLOWED(int, fsync, (int descriptor), descriptor)
SLOWED(int, fdatasync, (int descriptor), descriptor)
SLOWED(int, ftruncate64, (int descriptor, off64_t size), descriptor, size)
