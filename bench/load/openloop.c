/* An open-loop HTTP/1.1 load generator: requests are due at times of their own, however long the
 * server takes, and each is timed from the moment it was due.
 *
 *   openloop HOST PORT FILE RATE CONNECTIONS WARMUP_S SECONDS SEED
 *
 * HOST is an IPv4 address. FILE holds the requests (bench/load/requests.py writes it). Arrivals are
 * a Poisson process, as of many independent callers. A request that is due while every connection
 * is busy waits, and its wait counts. The result is one JSON object on standard output.
 *
 * Answers need a Content-Length. A connection that the server closes is opened again. Everything is
 * bounded: by the number of requests that fit into the given time, and by GRACE_S after it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_S = 5, MAX_CONNECTIONS = 4096, BUFFER_BYTES = 64 * 1024, MAX_EVENTS = 256 };
static const uint64_t NS_PER_S = 1000000000;

struct request {
    uint64_t offset;
    uint64_t length;
};

struct connection {
    int socket;
    bool busy;
    uint64_t due_ns; /* of the request that is under way */
    size_t filled;   /* bytes of the answer in the buffer */
    size_t skip;     /* bytes of the body that are still to come and need no look */
    char *buffer;
};

static struct sockaddr_in address;
static const char *blob;
static const struct request *requests;
static uint64_t request_count, next_request;

static struct connection connections[MAX_CONNECTIONS];
static size_t connection_count;
static uint32_t idle[MAX_CONNECTIONS]; /* a ring: the connection that rested longest goes first */
static size_t idle_first, idle_count;

static uint64_t *due; /* a ring of the requests that wait for a connection */
static size_t due_capacity, due_first, due_count, due_most;

static uint64_t *samples;
static size_t sample_capacity, sample_count;
static uint64_t measure_from_ns;
static uint64_t sent, answered, refused, broken, reopened, unfinished;
static int poll_fd;

static _Noreturn void fail(const char *what) {
    fprintf(stderr, "openloop: %s: %s\n", what, errno ? strerror(errno) : "invalid");
    exit(2);
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static double uniform(uint64_t *state) { /* xorshift64*, in (0, 1] */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)(((*state * 0x2545F4914F6CDD1DULL) >> 11) + 1) / 9007199254740992.0;
}

static void record(uint64_t due_at_ns, uint64_t end_ns) {
    if (due_at_ns >= measure_from_ns && sample_count < sample_capacity)
        samples[sample_count++] = end_ns - due_at_ns;
}

static void rest(struct connection *connection) {
    connection->busy = false;
    connection->filled = connection->skip = 0;
    idle[(idle_first + idle_count++) % connection_count] = (uint32_t)(connection - connections);
}

static void open_connection(struct connection *connection) {
    int one = 1;
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->socket < 0 ||
        connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(connection->socket, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->socket, &event) != 0) fail("epoll_ctl");
}

/* The server has gone from a connection; a request under way is lost. An idle one stays in the ring
 * under its index. */
static void reopen(struct connection *connection) {
    close(connection->socket);
    open_connection(connection);
    reopened++;
    if (connection->busy) {
        broken++;
        record(connection->due_ns, now_ns());
        rest(connection);
    }
}

static bool send_request(struct connection *connection) {
    const struct request *request = &requests[next_request];
    ssize_t written =
        send(connection->socket, blob + request->offset, request->length, MSG_NOSIGNAL);
    if (written != (ssize_t)request->length) return false;
    if (++next_request == request_count) next_request = 0;
    return true;
}

static void dispatch(void) {
    while (due_count > 0 && idle_count > 0) {
        struct connection *connection = &connections[idle[idle_first]];
        idle_first = (idle_first + 1) % connection_count;
        idle_count--;
        connection->busy = true;
        connection->due_ns = due[due_first];
        due_first = (due_first + 1) % due_capacity;
        due_count--;
        sent++;
        if (!send_request(connection)) reopen(connection);
    }
}

/* Returns the length of the head with its blank line, 0 while that has not come. */
static size_t head_length(const struct connection *connection) {
    const char *end = memmem(connection->buffer, connection->filled, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - connection->buffer) + 4;
}

static size_t content_length(const char *head, size_t length) {
    static const char name[] = "\r\ncontent-length:";
    for (size_t at = 0; at + sizeof name - 1 < length; at++)
        if (head[at] == '\r' && strncasecmp(head + at, name, sizeof name - 1) == 0)
            return strtoul(head + at + sizeof name - 1, NULL, 10);
    errno = 0;
    fail("an answer without Content-Length");
}

static void finish(struct connection *connection) {
    /* HTTP/1.1 2xx */
    if (connection->buffer[9] == '2')
        answered++;
    else
        refused++;
    record(connection->due_ns, now_ns());
    rest(connection);
}

static void receive(struct connection *connection) {
    char *to = connection->buffer + connection->filled;
    ssize_t got = recv(connection->socket, to, BUFFER_BYTES - connection->filled, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || !connection->busy) {
        reopen(connection);
        return;
    }
    if (connection->skip > 0) {
        connection->skip -= (size_t)got < connection->skip ? (size_t)got : connection->skip;
        if (connection->skip == 0) finish(connection);
        return;
    }
    connection->filled += (size_t)got;
    size_t head = head_length(connection);
    if (head == 0) {
        if (connection->filled == BUFFER_BYTES) fail("an answer with too long a head");
        return;
    }
    size_t whole = head + content_length(connection->buffer, head);
    if (connection->filled >= whole) {
        finish(connection);
    } else {
        connection->skip = whole - connection->filled;
        /* The status is kept at the start of the buffer. */
        connection->filled = head;
    }
}

static void load(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0) fail(path);
    const char *data =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (data == MAP_FAILED) fail(path);
    request_count = *(const uint64_t *)data;
    requests = (const struct request *)(data + sizeof(uint64_t));
    blob = data;
    if (request_count == 0) fail("no requests");
}

static int ascending(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static double quantile_us(double part) {
    if (sample_count == 0) return 0;
    size_t at = (size_t)ceil(part * (double)sample_count);
    return (double)samples[at > 0 ? at - 1 : 0] / 1000.0;
}

static void report(double rate, double seconds) {
    qsort(samples, sample_count, sizeof *samples, ascending);
    printf("{\"rate\": %.1f, \"seconds\": %.3f, \"sent\": %lu, \"answered\": %lu, "
           "\"refused\": %lu, \"broken\": %lu, \"reopened\": %lu, \"unfinished\": %lu, "
           "\"longest_queue\": %zu, \"samples\": %zu, \"p50_us\": %.1f, \"p90_us\": %.1f, "
           "\"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
           rate, seconds, sent, answered, refused, broken, reopened, unfinished, due_most,
           sample_count, quantile_us(.5), quantile_us(.9), quantile_us(.99), quantile_us(.999),
           quantile_us(1));
}

static void run(double rate, uint64_t end_ns, uint64_t *seed) {
    struct epoll_event events[MAX_EVENTS];
    uint64_t next_ns = now_ns();
    for (;;) {
        uint64_t now = now_ns();
        while (next_ns <= now && next_ns < end_ns) {
            if (due_count == due_capacity) fail("the queue is full");
            due[(due_first + due_count++) % due_capacity] = next_ns;
            next_ns += (uint64_t)(-log(uniform(seed)) * (double)NS_PER_S / rate) + 1;
        }
        if (due_count > due_most) due_most = due_count;
        dispatch();
        bool over = now >= end_ns && due_count == 0 && idle_count == connection_count;
        if (over || now >= end_ns + GRACE_S * NS_PER_S) return;
        now = now_ns();
        uint64_t wait_ns = next_ns >= end_ns ? NS_PER_S / 10 : next_ns > now ? next_ns - now : 0;
        struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                                .tv_nsec = (long)(wait_ns % NS_PER_S)};
        int ready = epoll_pwait2(poll_fd, events, MAX_EVENTS, &wait, NULL);
        if (ready < 0 && errno != EINTR) fail("epoll_pwait2");
        for (int at = 0; at < ready; at++) receive(events[at].data.ptr);
    }
}

/* What never came counts with the time that it has been waited for. */
static void count_unfinished(void) {
    uint64_t now = now_ns();
    for (size_t at = 0; at < connection_count; at++)
        if (connections[at].busy) {
            unfinished++;
            record(connections[at].due_ns, now);
        }
    for (; due_count > 0; due_count--, due_first = (due_first + 1) % due_capacity) {
        unfinished++;
        record(due[due_first], now);
    }
}

int main(int count, char **arguments) {
    if (count != 9) {
        fputs("usage: openloop HOST PORT FILE RATE CONNECTIONS WARMUP_S SECONDS SEED\n", stderr);
        return 2;
    }
    double rate = atof(arguments[4]), warmup_s = atof(arguments[6]), seconds = atof(arguments[7]);
    connection_count = strtoul(arguments[5], NULL, 10);
    uint64_t seed = strtoull(arguments[8], NULL, 10) | 1;
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(arguments[2]));
    if (inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1 || !(rate > 0) || !(seconds > 0) ||
        connection_count < 1 || connection_count > MAX_CONNECTIONS)
        fail("arguments");
    load(arguments[3]);

    /* Sleeps end when they should, not up to 50 microseconds later. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    sample_capacity = due_capacity = (size_t)(rate * (warmup_s + seconds) * 1.5) + 1024;
    samples = calloc(sample_capacity, sizeof *samples);
    due = calloc(due_capacity, sizeof *due);
    poll_fd = epoll_create1(0);
    if (samples == NULL || due == NULL || poll_fd < 0) fail("memory");
    for (size_t at = 0; at < connection_count; at++) {
        connections[at].buffer = malloc(BUFFER_BYTES);
        if (connections[at].buffer == NULL) fail("memory");
        open_connection(&connections[at]);
        rest(&connections[at]);
    }
    measure_from_ns = now_ns() + (uint64_t)(warmup_s * (double)NS_PER_S);
    run(rate, measure_from_ns + (uint64_t)(seconds * (double)NS_PER_S), &seed);
    count_unfinished();
    report(rate, seconds);
    return 0;
}
