/* An HTTP/1.1 endpoint that shares no code and no interpreter with the clients that it is used to measure.
 *
 *     endpoint [--delay-ms 0] [--tokens 128] [--waves-ms 10 | --poisson 10000 | --poisson-each 100]
 *              [--ahead 0] [--model m] [--seed 1] [--log FILE]
 *
 * One thread, one epoll. A chat completion is answered after --delay-ms, whole or, if the request asks for it,
 * as a stream in vLLM's form. Streams get one chunk a token: in waves, all streams at the same moment, every
 * --waves-ms; or one randomly chosen stream at a time, at --poisson chunks/s over all streams, or at --poisson-each
 * chunks/s for each open stream. No stream begins before --ahead of them are open. The content of each chunk is the
 * time at which it was sent (CLOCK_MONOTONIC, ns).
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

#define EDGE 512         /* bytes of a body's start and end in which its fields are looked for */
#define HEAD_BYTES 2048  /* of a request's head */
#define TURN 64          /* events of sockets, or chunks, before the other kind has its turn */
#define NS 1000000000LL

struct row { int64_t sample, arrived_ns, first_ns, last_ns, chunks; };
struct connection {
    int fd, closed, queued, stream, sent_chunks, active_at;
    size_t head_length, body_length, body_at, tail_length, blocked_length;
    char head[HEAD_BYTES + 1], start[EDGE + 1], tail[EDGE + 1], id[160];
    char *blocked;               /* what a full socket did not take */
    int64_t due_ns, prompt_tokens;
    struct row row;
    struct connection *next;     /* of the queue, or of the graveyard */
};

static const char *model = "m";
static int64_t delay_ns, wave_ns = 10000000, next_ns, started_s;
static double poisson, poisson_each, late_sum_ns;
static int tokens = 128, ahead, epoll_fd;
static volatile sig_atomic_t stopping;
static uint64_t seed = 1;
static char buffer[1 << 18];
static struct connection *queue_first, *queue_last, *graveyard, **active;
static int active_count, active_room;
static struct row *rows;
static int64_t row_count, row_room, chunk_count, blocked_count, late_max_ns, first_chunk_ns, last_chunk_ns;

static void fail(const char *what) { fprintf(stderr, "endpoint: %s: %s\n", what, strerror(errno)); exit(1); }
static void *grown(void *old, size_t bytes) { void *more = realloc(old, bytes); if (!more) fail("memory"); return more; }
static void on_signal(int number) { (void)number; stopping = 1; }

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static uint64_t draw(void) { /* splitmix64 */
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int64_t interval_ns(void) {
    double rate = poisson + poisson_each * active_count;
    return rate ? (int64_t)(-log(((draw() >> 11) + 1) * 0x1p-53) / rate * NS) : wave_ns;
}

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &event)) fail("epoll_ctl");
}

static void deactivate(struct connection *c) {
    if (c->active_at < 0) return;
    active[c->active_at] = active[--active_count];
    active[c->active_at]->active_at = c->active_at;
    c->active_at = -1;
}

static void hang_up(struct connection *c) { /* freed after this turn, or when the queue comes to it */
    if (c->closed) return;
    c->closed = 1;
    if (!c->queued) c->next = graveyard, graveyard = c;
    deactivate(c);
    close(c->fd);
    free(c->blocked);
    c->blocked = NULL;
}

static void transmit(struct connection *c, const char *data, size_t length) {
    if (c->closed) return;
    ssize_t done = c->blocked_length ? 0 : send(c->fd, data, length, MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN) { hang_up(c); return; }
    if (done < 0) done = 0;
    if ((size_t)done == length) return;
    blocked_count++;
    c->blocked = grown(c->blocked, c->blocked_length + length - done);
    memcpy(c->blocked + c->blocked_length, data + done, length - done);
    c->blocked_length += length - done;
    watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void transmit_blocked(struct connection *c) {
    ssize_t done = send(c->fd, c->blocked, c->blocked_length, MSG_NOSIGNAL);
    if (done < 0) { if (errno != EAGAIN) hang_up(c); return; }
    memmove(c->blocked, c->blocked + done, c->blocked_length -= done);
    if (!c->blocked_length) watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void say(struct connection *c, const char *text) { transmit(c, text, strlen(text)); }

static void reply(struct connection *c, int status, const char *body) {
    char text[2048];
    int length = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nserver: uvicorn\r\ncontent-length: %zu\r\n"
                          "content-type: application/json\r\n\r\n%s", status, status == 200 ? "OK" : "Error", strlen(body), body);
    transmit(c, text, length);
}

/* Send one server-sent event in a chunk of its own; `choice` is the text between the brackets of "choices". */
static void event(struct connection *c, const char *choice, const char *after) {
    char text[1024], chunk[1100];
    int length = snprintf(text, sizeof text, "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\",\"created\":%ld,"
                          "\"model\":\"%s\",\"choices\":[%s]%s}\n\n", c->id, (long)started_s, model, choice, after);
    length = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", length, text);
    transmit(c, chunk, length);
}

static void remember(struct connection *c) {
    if (row_count == row_room) rows = grown(rows, (row_room = 2 * row_room + 1024) * sizeof *rows);
    rows[row_count++] = c->row;
}

static void send_chunk(struct connection *c, int64_t due_ns) {
    char choice[160], usage[120];
    int64_t now = now_ns(), late = now - due_ns;
    if (!c->sent_chunks)
        event(c, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}",
              ",\"prompt_token_ids\":null");
    late_sum_ns += late;
    if (late > late_max_ns) late_max_ns = late;
    now = now_ns();
    snprintf(choice, sizeof choice, "{\"index\":0,\"delta\":{\"content\":\"%lld \"},\"logprobs\":null,"
             "\"finish_reason\":null,\"token_ids\":null}", (long long)now);
    event(c, choice, "");
    if (!c->sent_chunks++) c->row.first_ns = now;
    if (!chunk_count++) first_chunk_ns = now;
    c->row.last_ns = last_chunk_ns = now;
    c->row.chunks = c->sent_chunks;
    if (c->sent_chunks < tokens) return;
    event(c, "{\"index\":0,\"delta\":{\"content\":\"\"},\"logprobs\":null,\"finish_reason\":\"stop\","
          "\"stop_reason\":null,\"token_ids\":null}", "");
    snprintf(usage, sizeof usage, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld,\"completion_tokens\":%d}",
             (long long)c->prompt_tokens, (long long)c->prompt_tokens + tokens, tokens);
    event(c, "", usage);
    say(c, "e\r\ndata: [DONE]\n\n\r\n");
    say(c, "0\r\n\r\n");
    remember(c);
    deactivate(c);
}

static void answer_whole(struct connection *c) {
    char body[1024];
    int64_t now = now_ns();
    snprintf(body, sizeof body, "{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"created\":%ld,\"model\":\"%s\","
             "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%lld \"},\"logprobs\":null,"
             "\"finish_reason\":\"stop\",\"stop_reason\":null}],\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld,"
             "\"completion_tokens\":%d}}", c->id, (long)started_s, model, (long long)now, (long long)c->prompt_tokens,
             (long long)c->prompt_tokens + tokens, tokens);
    c->row.first_ns = c->row.last_ns = now;
    remember(c);
    reply(c, 200, body);
}

static void begin(struct connection *c) { /* the delay is over */
    if (!c->stream) { answer_whole(c); return; }
    if (active_count == active_room) active = grown(active, (active_room = 2 * active_room + 64) * sizeof *active);
    c->active_at = active_count;
    active[active_count++] = c;
    if (active_count < ahead) return;
    ahead = 0;
    /* A Poisson process forgets: with another rate its next event is drawn anew. */
    if (active_count == 1 || !next_ns || poisson_each) next_ns = now_ns() + interval_ns();
}

static void on_request(struct connection *c) {
    char found[200], *id;
    if (!strstr(c->head, " /v1/chat/completions ")) {
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
    if ((id = strstr(c->start, "sample "))) c->row.sample = strtoll(id + 7, NULL, 10);
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

static void send_due_chunks(void) {
    int64_t now = now_ns();
    if (!active_count || ahead || next_ns > now) return;
    if (!poisson && !poisson_each) {
        for (int i = active_count - 1; i >= 0; i--) send_chunk(active[i], next_ns);
        next_ns = wave_ns ? next_ns + wave_ns : now_ns();
        return;
    }
    for (int i = 0; i < TURN && active_count && next_ns <= now; i++, now = now_ns()) {
        send_chunk(active[draw() % active_count], next_ns);
        next_ns += interval_ns();
    }
}

static void begin_due(void) {
    while (queue_first && queue_first->due_ns <= now_ns()) {
        struct connection *c = queue_first;
        queue_first = c->next;
        c->queued = 0;
        if (c->closed) free(c);
        else begin(c);
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

static void write_rows(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file || (row_count && fwrite(rows, sizeof *rows, row_count, file) != (size_t)row_count) || fclose(file)) fail(path);
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
