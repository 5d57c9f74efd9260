/* What the endpoint sends: whole answers and streams, when they are due, and what it notes of them. */
#define EDGE 512         /* bytes of a body's start and end in which its fields are looked for */
#define HEAD_BYTES 2048  /* of a request's head */
#define TURN 64          /* events of sockets, or chunks, before the other kind has its turn */
#define NS 1000000000LL
#define END_ID 128009    /* of the end of a sequence; the ids of other tokens are below it */

struct row { int64_t sample, arrived_ns, first_ns, last_ns, chunks; };
struct connection {
    int fd, closed, queued, stream, ids, sent_chunks, active_at; /* ids: completions with return_token_ids */
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
    char text[9216];
    int length = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nserver: uvicorn\r\ncontent-length: %zu\r\n"
                          "content-type: application/json\r\n\r\n%s", status, status == 200 ? "OK" : "Error", strlen(body), body);
    transmit(c, text, length);
}

static const char *kind(struct connection *c, int chunk) {
    return c->ids ? "text_completion" : chunk ? "chat.completion.chunk" : "chat.completion";
}

/* Send one server-sent event in a chunk of its own; `choice` is the text between the brackets of "choices". */
static void event(struct connection *c, const char *choice, const char *after) {
    char text[1024], chunk[1100];
    int length = snprintf(text, sizeof text, "data: {\"id\":\"%s-%s\",\"object\":\"%s\",\"created\":%ld,"
                          "\"model\":\"%s\",\"choices\":[%s]%s}\n\n", c->ids ? "cmpl" : "chatcmpl", c->id, kind(c, 1),
                          (long)started_s, model, choice, after);
    length = snprintf(chunk, sizeof chunk, "%x\r\n%s\r\n", length, text);
    transmit(c, chunk, length);
}

static void remember(struct connection *c) {
    if (row_count == row_room) rows = grown(rows, (row_room = 2 * row_room + 1024) * sizeof *rows);
    rows[row_count++] = c->row;
}

static void send_token(struct connection *c, int64_t now) {
    char choice[200];
    int last = c->sent_chunks == tokens - 1;
    if (c->ids) { /* the prompt's ids come with the first, and the end of the sequence is a token */
        snprintf(choice, sizeof choice, "{\"index\":0,\"text\":\"%lld \",\"logprobs\":null,\"finish_reason\":%s,\"stop_reason\":null,"
                 "\"prompt_token_ids\":%s,\"token_ids\":[%d]}", (long long)now, last ? "\"stop\"" : "null",
                 c->sent_chunks ? "null" : "[1,2,3]", last ? END_ID : (int)(draw() % END_ID));
        event(c, choice, ",\"usage\":null");
        return;
    }
    snprintf(choice, sizeof choice, "{\"index\":0,\"delta\":{\"content\":\"%lld \"},\"logprobs\":null,"
             "\"finish_reason\":null,\"token_ids\":null}", (long long)now);
    event(c, choice, "");
}

static void send_chunk(struct connection *c, int64_t due_ns) {
    char usage[120];
    int64_t now = now_ns(), late = now - due_ns;
    if (!c->sent_chunks && !c->ids)
        event(c, "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}",
              ",\"prompt_token_ids\":null");
    late_sum_ns += late;
    if (late > late_max_ns) late_max_ns = late;
    now = now_ns();
    send_token(c, now);
    if (!c->sent_chunks++) c->row.first_ns = now;
    if (!chunk_count++) first_chunk_ns = now;
    c->row.last_ns = last_chunk_ns = now;
    c->row.chunks = c->sent_chunks;
    if (c->sent_chunks < tokens) return;
    if (!c->ids)
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
    char body[8192], choice[7168];
    int64_t now = now_ns();
    int at;
    if (c->ids) {
        at = snprintf(choice, sizeof choice, "\"text\":\"%lld \",\"logprobs\":null,\"finish_reason\":\"stop\",\"stop_reason\":null,"
                      "\"token_ids\":[", (long long)now);
        for (int i = 1; i < tokens && at < (int)sizeof choice - 100; i++) at += sprintf(choice + at, "%d,", (int)(draw() % END_ID));
        sprintf(choice + at, "%d],\"prompt_logprobs\":null,\"prompt_token_ids\":[1,2,3]", END_ID);
    } else
        snprintf(choice, sizeof choice, "\"message\":{\"role\":\"assistant\",\"content\":\"%lld \"},\"logprobs\":null,"
                 "\"finish_reason\":\"stop\",\"stop_reason\":null", (long long)now);
    snprintf(body, sizeof body, "{\"id\":\"%s-%s\",\"object\":\"%s\",\"created\":%ld,\"model\":\"%s\","
             "\"choices\":[{\"index\":0,%s}],\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld,"
             "\"completion_tokens\":%d}}", c->ids ? "cmpl" : "chatcmpl", c->id, kind(c, 0), (long)started_s, model, choice,
             (long long)c->prompt_tokens, (long long)c->prompt_tokens + tokens, tokens);
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

static void write_rows(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file || (row_count && fwrite(rows, sizeof *rows, row_count, file) != (size_t)row_count) || fclose(file)) fail(path);
}
