/* An HTTP/1.1 endpoint that shares no code and no interpreter with the clients that it is used to measure.
 *
 *     endpoint [--delay-ms 0] [--tokens 128] [--waves-ms 10 | --poisson 10000 | --poisson-each 100]
 *              [--ahead 0] [--model m] [--seed 1] [--log FILE]
 *
 * One thread, one epoll. A chat completion, or a completion with token ids, is answered after --delay-ms, whole or, if
 * the request asks for it, as a stream in vLLM's form. Streams get one chunk a token: in waves, all streams at the
 * same moment, every --waves-ms; or one randomly chosen stream at a time, at --poisson chunks/s over all streams, or
 * at --poisson-each chunks/s for each open stream. No stream begins before --ahead of them are open. The content of
 * each chunk is the time at which it was sent (CLOCK_MONOTONIC, ns). Token ids are drawn at random; a prompt of ids
 * has the number of its sample in the second place.
 *
 * Prints its URL. On SIGTERM it writes --log, one `struct row` a request, and prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
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

#include "endpoint_answers.h"

static void on_request(struct connection *c) {
    char found[200], *id;
    c->ids = strstr(c->head, " /v1/completions ") != NULL;
    if (!c->ids && !strstr(c->head, " /v1/chat/completions ")) {
        snprintf(found, sizeof found, "{\"object\":\"list\",\"data\":[{\"id\":\"%s\",\"object\":\"model\",\"owned_by\":\"bench\"}]}", model);
        if (strstr(c->head, " /v1/models ")) reply(c, 200, found);
        else if (strstr(c->head, " /health ")) reply(c, 200, "{}");
        else if (strstr(c->head, " /version ")) reply(c, 200, "{\"version\":\"simulated by Weighbridge (bench/endpoint.c)\"}");
        else reply(c, 404, "{\"error\":\"not found\"}");
        return;
    }
    c->row = (struct row){.sample = -1, .arrived_ns = now_ns()};
    c->prompt_tokens = c->body_length / 4 + 1;
    if (!(id = strcasestr(c->head, "\r\nx-request-id:")) || sscanf(id + 15, " %150[^\r\n\"\\]", c->id) != 1)
        snprintf(c->id, sizeof c->id, "bench-%lld", (long long)row_count);
    if (c->ids) {
        if ((id = strstr(c->start, "\"prompt\":[")) && (id = strchr(id, ','))) c->row.sample = strtoll(id + 1, NULL, 10);
    } else if ((id = strstr(c->start, "sample "))) c->row.sample = strtoll(id + 7, NULL, 10);
    c->sent_chunks = 0;
    c->stream = strstr(c->start, "\"stream\":true") || strstr(c->tail, "\"stream\":true")
        || strstr(c->start, "\"stream\": true") || strstr(c->tail, "\"stream\": true");
    if (c->stream)
        say(c, "HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
                 "transfer-encoding: chunked\r\n\r\n");
    if (!delay_ns) { begin(c); return; }
    c->due_ns = c->row.arrived_ns + delay_ns; /* the delay is the same for all: first come, first due */
    c->queued = 1;
    c->next = NULL;
    if (queue_first) queue_last->next = c; else queue_first = c;
    queue_last = c;
}

static void keep(char *edge, size_t at, const char *data, size_t length) {
    memcpy(edge + at, data, length);
    edge[at + length] = 0;
}

static void on_body(struct connection *c, const char *data, size_t length) {
    size_t tail_at = c->body_length > EDGE ? c->body_length - EDGE : 0, stop = c->body_at + length;
    if (c->body_at < EDGE) keep(c->start, c->body_at, data, stop < EDGE ? length : EDGE - c->body_at);
    if (stop > tail_at) {
        size_t skip = c->body_at < tail_at ? tail_at - c->body_at : 0;
        keep(c->tail, c->body_at + skip - tail_at, data + skip, length - skip);
    }
    c->body_at = stop;
}

/* Read what a request's bytes say; they are not pipelined, so what follows a body is the next head. */
static void feed(struct connection *c, const char *data, size_t length) {
    while (length && !c->closed) {
        if (!c->body_length) {
            size_t take = length < HEAD_BYTES - c->head_length ? length : HEAD_BYTES - c->head_length, old = c->head_length;
            char *end, *field;
            memcpy(c->head + old, data, take);
            c->head[c->head_length += take] = 0;
            if (!(end = strstr(c->head, "\r\n\r\n"))) {
                if (c->head_length == HEAD_BYTES) hang_up(c);
                return;
            }
            take = end + 4 - c->head - old;
            end[2] = 0;
            data += take, length -= take;
            c->start[0] = c->tail[0] = 0;
            c->body_at = c->head_length = 0;
            if (strcasestr(c->head, "\r\ntransfer-encoding:")) { reply(c, 411, "{\"error\":\"send a Content-Length\"}"); hang_up(c); return; }
            field = strcasestr(c->head, "\r\ncontent-length:");
            c->body_length = field ? strtoul(field + 17, NULL, 10) : 0;
            if (c->body_length) continue;
        } else {
            size_t left = c->body_length - c->body_at, take = length < left ? length : left;
            on_body(c, data, take);
            data += take, length -= take;
            if (c->body_at < c->body_length) continue;
        }
        on_request(c);
        c->body_length = 0;
    }
}

static void receive(struct connection *c) {
    size_t left = c->body_length - c->body_at;
    /* The middle of a body is dropped where it lies: its content decides nothing. */
    int drop = c->body_length && c->body_at >= EDGE && left > EDGE;
    ssize_t count = recv(c->fd, buffer, drop ? left - EDGE : sizeof buffer, drop ? MSG_TRUNC : 0);
    if (count == 0 || (count < 0 && errno != EAGAIN)) hang_up(c);
    else if (count > 0 && drop) c->body_at += count;
    else if (count > 0) feed(c, buffer, count);
}

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = grown(NULL, sizeof *c);
        memset(c, 0, sizeof *c);
        c->fd = fd;
        c->active_at = -1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void bury(void) {
    while (graveyard) {
        struct connection *c = graveyard;
        graveyard = c->next;
        free(c);
    }
}

static void serve(int listener) {
    struct epoll_event events[TURN], event = {.events = EPOLLIN};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &before); /* they arrive while this program waits, at no other time */
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event)) fail("epoll_ctl");
    while (!stopping) {
        int64_t due = INT64_MAX, left;
        if (queue_first) due = queue_first->due_ns;
        if (active_count && !ahead && next_ns < due) due = next_ns;
        left = due - now_ns();
        if (left < 0) left = 0;
        struct timespec wait = {left / NS, left % NS};
        int count = syscall(SYS_epoll_pwait2, epoll_fd, events, TURN, due == INT64_MAX ? NULL : &wait, &before, 8);
        if (count < 0 && errno != EINTR) fail("epoll_pwait2 (needs Linux 5.11)");
        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) { accept_all(listener); continue; }
            if (events[i].events & EPOLLOUT && !c->closed) transmit_blocked(c);
            if (events[i].events & ~EPOLLOUT && !c->closed) receive(c);
        }
        begin_due();
        send_due_chunks();
        bury();
    }
}

int main(int count, char **arguments) {
    static const struct option options[] = {
        {"delay-ms", 1, 0, 'd'}, {"tokens", 1, 0, 't'}, {"waves-ms", 1, 0, 'w'}, {"poisson", 1, 0, 'p'}, {"poisson-each", 1, 0, 'e'}, {"ahead", 1, 0, 'a'},
        {"model", 1, 0, 'm'}, {"seed", 1, 0, 's'}, {"log", 1, 0, 'l'}, {0}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct sigaction stop = {.sa_handler = on_signal};
    struct rlimit files;
    const char *log = NULL;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) >= 0;)
        switch (option) {
        case 'd': delay_ns = atof(optarg) * 1e6; break;
        case 't': tokens = atoi(optarg); break;
        case 'w': wave_ns = atof(optarg) * 1e6; break;
        case 'p': poisson = atof(optarg); break;
        case 'e': poisson_each = atof(optarg); break;
        case 'a': ahead = atoi(optarg); break;
        case 'm': model = optarg; break;
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'l': log = optarg; break;
        default: return 2;
        }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    started_s = time(NULL);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)
        || getsockname(listener, (struct sockaddr *)&address, &size) || (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        fail("listening");
    printf("http://127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    serve(listener);
    if (log) write_rows(log);
    printf("{\"requests\": %lld, \"chunks\": %lld, \"chunks_s\": %.3f, \"late_mean_ms\": %.4f, \"late_max_ms\": %.4f, \"blocked\": %lld}\n",
           (long long)row_count, (long long)chunk_count, (double)(last_chunk_ns - first_chunk_ns) / NS,
           late_sum_ns / (chunk_count ? chunk_count : 1) / 1e6, late_max_ns / 1e6, (long long)blocked_count);
    return 0;
}
