/* The least that a client can do, as a bound of what the others cost: it sends one body again and again and looks
 * at nothing but the end of an answer.
 *
 *     least PORT RATE REQUESTS BODY END
 *
 * Requests leave as a Poisson process of RATE/s, each on an idle connection, or on a new one. END is the text with
 * which an answer ends. Prints one JSON object: when it began and ended (monotonic ns), and latencies from the due
 * times in ms.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000LL

struct connection { int fd; size_t left; int64_t due_ns; struct connection *next_idle; };

static char *request, buffer[1 << 18];
static size_t request_length;
static struct connection *idle;
static int epoll_fd;
static uint64_t seed = 1;

static void fail(const char *what) { fprintf(stderr, "least: %s: %s\n", what, strerror(errno)); exit(1); }

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static double draw(void) { /* splitmix64, in (0, 1] */
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (((z ^ z >> 31) >> 11) + 1) * 0x1p-53;
}

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event)) fail("epoll_ctl");
}

static void transmit(struct connection *c) {
    size_t before = c->left;
    ssize_t done = send(c->fd, request + request_length - c->left, c->left, MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN) fail("send");
    if (done > 0) c->left -= done;
    if (c->left && before == request_length) watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    if (!c->left && before < request_length) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static struct connection *connected(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct connection *c = calloc(1, sizeof *c);
    int one = 1;
    if (!c || (c->fd = socket(AF_INET, SOCK_STREAM, 0)) < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address))
        fail("connecting");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    return c;
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void read_request(const char *path) {
    FILE *file = fopen(path, "rb");
    char head[300];
    long length;
    if (!file || fseek(file, 0, SEEK_END) || (length = ftell(file)) < 0 || fseek(file, 0, SEEK_SET)) fail(path);
    int at = snprintf(head, sizeof head, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                      "Content-Length: %ld\r\n\r\n", length);
    request_length = at + length;
    if (!(request = malloc(request_length)) || fread(request + at, 1, length, file) != (size_t)length) fail(path);
    memcpy(request, head, at);
    fclose(file);
}

int main(int count, char **arguments) {
    if (count != 6) { fprintf(stderr, "least: PORT RATE REQUESTS BODY END\n"); return 2; }
    int port = atoi(arguments[1]), requests = atoi(arguments[3]), sent = 0, ended = 0;
    double rate = atof(arguments[2]);
    const char *end = arguments[5];
    size_t end_length = strlen(end);
    int64_t *latency_ns = calloc(requests, sizeof *latency_ns), start, due;
    struct rlimit files;
    struct epoll_event events[64];
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    read_request(arguments[4]);
    if (!latency_ns || (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("starting");
    start = due = now_ns();
    while (ended < requests) {
        int64_t left = due - now_ns();
        if (sent < requests && left <= 0) {
            struct connection *c = idle ? idle : connected(port);
            if (c == idle) idle = c->next_idle;
            c->left = request_length;
            c->due_ns = due;
            transmit(c);
            sent++;
            due += (int64_t)(-log(draw()) / rate * NS);
            left = 0;
        }
        struct timespec wait = {left / NS, left % NS};
        int found = syscall(SYS_epoll_pwait2, epoll_fd, events, 64, sent < requests ? &wait : NULL, NULL, 8);
        if (found < 0 && errno != EINTR) fail("epoll_pwait2 (needs Linux 5.11)");
        for (int i = 0; i < found; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) transmit(c);
            if (!(events[i].events & ~EPOLLOUT)) continue;
            ssize_t got = recv(c->fd, buffer, sizeof buffer, MSG_DONTWAIT);
            if (got <= 0 && errno != EAGAIN) fail("the endpoint closed");
            if (got < (ssize_t)end_length || memcmp(buffer + got - end_length, end, end_length)) continue;
            latency_ns[ended++] = now_ns() - c->due_ns;
            c->next_idle = idle;
            idle = c;
        }
    }
    qsort(latency_ns, requests, sizeof *latency_ns, ascending);
    printf("{\"start_ns\": %lld, \"end_ns\": %lld, \"latency_p50_ms\": %.4f, \"latency_p99_ms\": %.4f}\n", (long long)start,
           (long long)now_ns(), latency_ns[requests / 2] / 1e6, latency_ns[(int)(requests * 0.99)] / 1e6);
    return 0;
}
