// Fails the n-th call of one kind, over all processes that were started with this library in LD_PRELOAD.
//
// FAULTS_STATE names a file of the layout `struct state`, which every process maps: whoever writes there
// arms the fault, and reads which call was hit. Calls are counted by the role of their process, so that the
// order in which processes run changes no number. Nothing is counted while `armed` is 0.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The same order as in shim.py.
enum kind { WRITE, FSYNC, RENAME, CREATE, REMOVE, READ, SOCKET, CONNECT, SEND, RECV, EPOLL, SPAWN, EXEC, THREAD, PIPE, PRINT, KINDS };
enum role { MAIN, LOADGEN, WORKER, OTHER, ROLES };

struct state {
    int32_t armed;
    int32_t kind;
    int32_t role;   // -1: any
    int32_t error;  // 0: a short write or read, of half the bytes; below 0: no error, but this signal arrives
    int32_t lasting;  // the n-th and all that follow
    int32_t hits;
    int64_t nth;
    int64_t counts[ROLES][KINDS];
    int32_t exempt;  // a process whose calls do not count: the one that forks the others
    char call[28];
    char target[256];
    char under[256];  // READ and WRITE count only files below this folder, where it is not empty
};

static struct state *shared;
static enum role role = OTHER;

static void find_role(void) {
    char line[4096] = {0};
    int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY);
    long size = fd < 0 ? 0 : syscall(SYS_read, fd, line, sizeof line - 1);
    if (fd >= 0) syscall(SYS_close, fd);
    for (long at = 0; at < size; at++)
        if (!line[at]) line[at] = ' ';
    if (strstr(line, "injection.zygote")) role = MAIN;
    else if (strstr(line, "weighbridge.client.worker")) role = WORKER;
    else if (strstr(line, "weighbridge.loadgen.loadgen_process")) role = LOADGEN;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_STATE");
    if (!path || shared) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR);
    if (fd < 0) return;
    void *at = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at == MAP_FAILED) return;
    find_role();
    shared = at;
}

static void name_of(int fd, char *into, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long count = syscall(SYS_readlinkat, AT_FDCWD, link, into, size - 1);
    into[count < 0 ? 0 : count] = 0;
}

// Return 1 if this call must fail (errno is set), 2 if it must be short, else 0.
static int hit(enum kind kind, const char *call, int fd, const char *path) {
    struct state *s = shared;
    if (!s || !__atomic_load_n(&s->armed, __ATOMIC_ACQUIRE) || getpid() == s->exempt) return 0;
    if (kind == WRITE && (fd == 1 || fd == 2)) kind = PRINT;
    int saved = errno;
    char target[256] = {0};
    int whole = 0;
    if (kind == WRITE) {
        name_of(fd, target, sizeof target);
        whole = strncmp(target, "pipe:", 5) == 0;  // the kernel never divides what is short
        if (target[0] != '/') kind = SEND;
    }
    if (s->under[0] && (kind == READ || kind == WRITE)) {
        name_of(fd, target, sizeof target);
        if (strncmp(target, s->under, strlen(s->under))) { errno = saved; return 0; }
    }
    int64_t count = __atomic_add_fetch(&s->counts[role][kind], 1, __ATOMIC_ACQ_REL);
    errno = saved;
    if (s->kind != (int)kind || (s->role >= 0 && s->role != (int)role)) return 0;
    if (s->role < 0) {
        count = 0;
        for (int each = 0; each < ROLES; each++) count += __atomic_load_n(&s->counts[each][kind], __ATOMIC_ACQUIRE);
    }
    if (s->lasting ? count < s->nth : count != s->nth) return 0;
    if (__atomic_add_fetch(&s->hits, 1, __ATOMIC_ACQ_REL) == 1) {
        strncpy(s->call, call, sizeof s->call - 1);
        if (path) strncpy(target, path, sizeof target - 1);
        else if (!target[0] && fd >= 0) name_of(fd, target, sizeof target);
        memcpy(s->target, target, sizeof target);
    }
    if (s->error < 0) { kill(getpid(), -s->error); errno = saved; return 0; }
    if (!s->error) { errno = saved; return whole ? 0 : 2; }
    errno = s->error;
    return 1;
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })
#define FAIL(kind, call, fd, path) do { if (hit(kind, call, fd, path) == 1) return -1; } while (0)
#define HALF(kind, call, fd, size) do { int how = hit(kind, call, fd, 0); if (how == 1) return -1; if (how == 2 && size > 1) size /= 2; } while (0)

ssize_t write(int fd, const void *data, size_t size) { HALF(WRITE, "write", fd, size); return REAL(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { HALF(WRITE, "pwrite", fd, size); return REAL(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { HALF(WRITE, "pwrite64", fd, size); return REAL(pwrite64)(fd, data, size, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { HALF(WRITE, "writev", fd, count); return REAL(writev)(fd, parts, count); }
int ftruncate(int fd, off_t size) { FAIL(WRITE, "ftruncate", fd, 0); return REAL(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { FAIL(WRITE, "ftruncate64", fd, 0); return REAL(ftruncate64)(fd, size); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) { HALF(WRITE, "copy_file_range", out, size); return REAL(copy_file_range)(in, from, out, to, size, flags); }

ssize_t read(int fd, void *data, size_t size) { HALF(READ, "read", fd, size); return REAL(read)(fd, data, size); }
ssize_t pread(int fd, void *data, size_t size, off_t at) { HALF(READ, "pread", fd, size); return REAL(pread)(fd, data, size, at); }
ssize_t pread64(int fd, void *data, size_t size, off64_t at) { HALF(READ, "pread64", fd, size); return REAL(pread64)(fd, data, size, at); }

int fsync(int fd) { FAIL(FSYNC, "fsync", fd, 0); return REAL(fsync)(fd); }
int fdatasync(int fd) { FAIL(FSYNC, "fdatasync", fd, 0); return REAL(fdatasync)(fd); }

int rename(const char *from, const char *to) { FAIL(RENAME, "rename", -1, to); return REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) { FAIL(RENAME, "renameat", -1, to); return REAL(renameat)(a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { FAIL(RENAME, "renameat2", -1, to); return REAL(renameat2)(a, from, b, to, flags); }
int link(const char *from, const char *to) { FAIL(RENAME, "link", -1, to); return REAL(link)(from, to); }
int symlink(const char *from, const char *to) { FAIL(CREATE, "symlink", -1, to); return REAL(symlink)(from, to); }
int mkdir(const char *path, mode_t mode) { FAIL(CREATE, "mkdir", -1, path); return REAL(mkdir)(path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { FAIL(CREATE, "mkdirat", -1, path); return REAL(mkdirat)(at, path, mode); }
int unlink(const char *path) { FAIL(REMOVE, "unlink", -1, path); return REAL(unlink)(path); }
int unlinkat(int at, const char *path, int flags) { FAIL(REMOVE, "unlinkat", -1, path); return REAL(unlinkat)(at, path, flags); }
int rmdir(const char *path) { FAIL(REMOVE, "rmdir", -1, path); return REAL(rmdir)(path); }

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
#define WRITES(flags) ((flags) & (O_CREAT | O_TRUNC))
int open(const char *path, int flags, ...) { MODE(flags); if (WRITES(flags)) FAIL(CREATE, "open", -1, path); return REAL(open)(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags); if (WRITES(flags)) FAIL(CREATE, "open64", -1, path); return REAL(open64)(path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags); if (WRITES(flags)) FAIL(CREATE, "openat", -1, path); return REAL(openat)(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags); if (WRITES(flags)) FAIL(CREATE, "openat64", -1, path); return REAL(openat64)(at, path, flags, mode); }

int socket(int family, int type, int protocol) { FAIL(SOCKET, "socket", -1, 0); return REAL(socket)(family, type, protocol); }
int socketpair(int family, int type, int protocol, int ends[2]) { FAIL(SOCKET, "socketpair", -1, 0); return REAL(socketpair)(family, type, protocol, ends); }
int bind(int fd, const struct sockaddr *to, socklen_t size) { FAIL(SOCKET, "bind", fd, 0); return REAL(bind)(fd, to, size); }
int listen(int fd, int backlog) { FAIL(SOCKET, "listen", fd, 0); return REAL(listen)(fd, backlog); }
int setsockopt(int fd, int level, int name, const void *value, socklen_t size) { FAIL(SOCKET, "setsockopt", fd, 0); return REAL(setsockopt)(fd, level, name, value, size); }
int getsockopt(int fd, int level, int name, void *value, socklen_t *size) { FAIL(SOCKET, "getsockopt", fd, 0); return REAL(getsockopt)(fd, level, name, value, size); }
int shutdown(int fd, int how) { FAIL(SOCKET, "shutdown", fd, 0); return REAL(shutdown)(fd, how); }
int accept(int fd, struct sockaddr *from, socklen_t *size) { FAIL(CONNECT, "accept", fd, 0); return REAL(accept)(fd, from, size); }
int accept4(int fd, struct sockaddr *from, socklen_t *size, int flags) { FAIL(CONNECT, "accept4", fd, 0); return REAL(accept4)(fd, from, size, flags); }
int connect(int fd, const struct sockaddr *to, socklen_t size) { FAIL(CONNECT, "connect", fd, 0); return REAL(connect)(fd, to, size); }
ssize_t send(int fd, const void *data, size_t size, int flags) { HALF(SEND, "send", fd, size); return REAL(send)(fd, data, size, flags); }
ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) { HALF(SEND, "sendto", fd, size); return REAL(sendto)(fd, data, size, flags, to, length); }
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) { struct msghdr some = *message; HALF(SEND, "sendmsg", fd, some.msg_iovlen); return REAL(sendmsg)(fd, &some, flags); }
ssize_t recv(int fd, void *data, size_t size, int flags) { HALF(RECV, "recv", fd, size); return REAL(recv)(fd, data, size, flags); }
ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length) { HALF(RECV, "recvfrom", fd, size); return REAL(recvfrom)(fd, data, size, flags, from, length); }
ssize_t recvmsg(int fd, struct msghdr *message, int flags) { FAIL(RECV, "recvmsg", fd, 0); return REAL(recvmsg)(fd, message, flags); }
ssize_t sendfile(int out, int in, off_t *at, size_t size) { HALF(WRITE, "sendfile", out, size); return REAL(sendfile)(out, in, at, size); }
ssize_t sendfile64(int out, int in, off64_t *at, size_t size) { HALF(WRITE, "sendfile64", out, size); return REAL(sendfile64)(out, in, at, size); }
int epoll_create1(int flags) { FAIL(EPOLL, "epoll_create1", -1, 0); return REAL(epoll_create1)(flags); }
int epoll_ctl(int fd, int op, int other, struct epoll_event *event) { FAIL(EPOLL, "epoll_ctl", other, 0); return REAL(epoll_ctl)(fd, op, other, event); }
int epoll_wait(int fd, struct epoll_event *events, int most, int timeout) { FAIL(EPOLL, "epoll_wait", fd, 0); return REAL(epoll_wait)(fd, events, most, timeout); }
int pipe(int ends[2]) { FAIL(PIPE, "pipe", -1, 0); return REAL(pipe)(ends); }
int pipe2(int ends[2], int flags) { FAIL(PIPE, "pipe2", -1, 0); return REAL(pipe2)(ends, flags); }

pid_t fork(void) { FAIL(SPAWN, "fork", -1, 0); return REAL(fork)(); }
// A wrapper cannot return twice on one stack: where the caller wants vfork, it gets fork.
pid_t vfork(void) { FAIL(SPAWN, "vfork", -1, 0); return REAL(fork)(); }
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) { return hit(SPAWN, "posix_spawn", -1, path) == 1 ? errno : REAL(posix_spawn)(pid, path, actions, attributes, argv, envp); }
int posix_spawnp(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]) { return hit(SPAWN, "posix_spawnp", -1, path) == 1 ? errno : REAL(posix_spawnp)(pid, path, actions, attributes, argv, envp); }
int execve(const char *path, char *const argv[], char *const envp[]) { FAIL(EXEC, "execve", -1, path); return REAL(execve)(path, argv, envp); }
int execv(const char *path, char *const argv[]) { FAIL(EXEC, "execv", -1, path); return REAL(execv)(path, argv); }
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) { return hit(THREAD, "pthread_create", -1, 0) == 1 ? errno : REAL(pthread_create)(thread, attributes, start, argument); }
