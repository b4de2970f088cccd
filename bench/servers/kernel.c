// The floor of the kernel: the cost of writing the same bytes to every socket, in any language. The frames of one
// order are joined and leave in one send per client. Communicates with the benchmark like a Node child: JSON lines on a
// channel.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "handshake.h"

enum { MAX_FDS = 65536, MAX_EVENTS = 512, MAX_TEXT = 65535, MAX_COUNT = 64, HEADER = 4, STAMP = 16 };

// Bytes of the current order that a client has not received yet; -1 before its handshake.
static ssize_t left[MAX_FDS];
static int clients[MAX_FDS], client_count, poller, listener, channel;
static char text[MAX_TEXT + 1], *bytes;
static size_t text_length, length;

static void watch (int fd, int change, unsigned events) {
  struct epoll_event event = { .events = events, .data.fd = fd };
  epoll_ctl(poller, change, fd, &event);
}

static void forget (int fd) {
  for (int i = 0; i < client_count; i++) {
    if (clients[i] == fd) clients[i] = clients[--client_count];
  }
  left[fd] = -1;
  close(fd);
}

static void greet (int fd) {
  char request[4096], answer[256];
  ssize_t size = recv(fd, request, sizeof request - 1, MSG_PEEK);
  if (size <= 0) return forget(fd);
  request[size] = 0;
  if (strstr(request, "\r\n\r\n") == NULL) return;
  recv(fd, request, (size_t) size, 0);
  int answer_length = handshake(request, answer, sizeof answer);
  if (answer_length < 0 || send(fd, answer, (size_t) answer_length, MSG_NOSIGNAL) < 0) return forget(fd);
  left[fd] = 0;
  clients[client_count++] = fd;
}

static void accept_all (void) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int));
    left[fd] = -1;
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
  }
}

static void continue_sending (int fd) {
  ssize_t sent = send(fd, bytes + length - left[fd], (size_t) left[fd], MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return forget(fd);
  if (sent > 0) left[fd] -= sent;
}

static void broadcast (int count, int is_stamped) {
  length = (size_t) count * (HEADER + text_length);
  if (is_stamped) {
    char stamp[STAMP + 1];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(stamp, sizeof stamp, "%0*lld", STAMP, now.tv_sec * 1000000LL + now.tv_nsec / 1000);
    memcpy(text, stamp, STAMP);
  }
  for (char *at = bytes; at < bytes + length; at += HEADER + text_length) {
    // RFC 6455, 5.2: a final text frame with a 16-bit length.
    memcpy(at, (char[]) { (char) 0x81, 126, (char) (text_length >> 8), (char) text_length }, HEADER);
    memcpy(at + HEADER, text, text_length);
  }
  for (int i = client_count - 1; i >= 0; i--) {
    int fd = clients[i];
    if (left[fd] > 0) return (void) dprintf(channel, "{\"failed\":\"The next order came before a client had all of the last one.\"}\n");
    left[fd] = (ssize_t) length;
    continue_sending(fd);
    if (left[fd] > 0) watch(fd, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
  }
}

static void serve_client (int fd, unsigned events) {
  static char ignored[65536];
  if (left[fd] < 0) return greet(fd);
  if (events & EPOLLOUT) {
    continue_sending(fd);
    if (left[fd] == 0) watch(fd, EPOLL_CTL_MOD, EPOLLIN);
  } else if (recv(fd, ignored, sizeof ignored, 0) <= 0) forget(fd);
}

static void send_memory (void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (fscanf(file, "%*d %ld", &pages) != 1) exit(1);
  fclose(file);
  dprintf(channel, "{\"rss\":%ld}\n", pages * sysconf(_SC_PAGESIZE));
}

// The benchmark writes the orders, so their form is known: {"text":"…"}, {"broadcast":n,"stamped":true} or
// {"stats":true}.
static void execute (char *order) {
  int count;
  char is_stamped = 'f';
  if (sscanf(order, "{\"text\":\"%65535[^\"]", text) == 1) text_length = strlen(text);
  else if (sscanf(order, "{\"broadcast\":%d,\"stamped\":%c", &count, &is_stamped) >= 1 && count <= MAX_COUNT) broadcast(count, is_stamped == 't');
  else if (strstr(order, "\"stats\"") != NULL) send_memory();
}

static void read_orders (void) {
  static char orders[2 * MAX_TEXT];
  static size_t filled;
  ssize_t size = read(channel, orders + filled, sizeof orders - filled - 1);
  if (size <= 0) exit(0);
  orders[filled += (size_t) size] = 0;
  char *start = orders;
  for (char *end; (end = strchr(start, '\n')) != NULL; start = end + 1) {
    *end = 0;
    execute(start);
  }
  filled -= (size_t) (start - orders);
  memmove(orders, start, filled);
}

int main (void) {
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  struct epoll_event events[MAX_EVENTS];
  channel = atoi(getenv("NODE_CHANNEL_FD"));
  bytes = malloc((size_t) MAX_COUNT * (HEADER + MAX_TEXT));
  poller = epoll_create1(0);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(listener, (struct sockaddr *) &address, size) != 0 || listen(listener, 4096) != 0) return 1;
  getsockname(listener, (struct sockaddr *) &address, &size);
  watch(listener, EPOLL_CTL_ADD, EPOLLIN);
  watch(channel, EPOLL_CTL_ADD, EPOLLIN);
  dprintf(channel, "{\"ready\":true,\"port\":%d}\n", ntohs(address.sin_port));
  for (;;) {
    int ready = epoll_wait(poller, events, MAX_EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all();
      else if (fd == channel) read_orders();
      else serve_client(fd, events[i].events);
    }
  }
}
