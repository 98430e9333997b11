/* SPDX-License-Identifier: Apache-2.0
 *
 * The plainest network program: a thread that blocks in recv, and a main thread that waits
 * for it. Built twice: as it is, and with one line of the library.
 *
 *   blocking_client PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WITH_WAKELINE
#include <wakeline/wakeline.h>
static wakeline_app_t* app;
#endif

static int connect_to(const char* port) {
  struct sockaddr_in server;
  memset(&server, 0, sizeof server);
  server.sin_family = AF_INET;
  server.sin_port = htons((unsigned short)atoi(port));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (const struct sockaddr*)&server, sizeof server) != 0) return -1;
  return fd;
}

static void* read_lines(void* argument) {
  const int fd = *(const int*)argument;
  char text[256];
  ssize_t got;
  while ((got = recv(fd, text, sizeof text - 1, 0)) > 0) {
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    printf("got %s\n", text);
    if (send(fd, "next\n", 5, MSG_NOSIGNAL) != 5) break;
  }
  if (got < 0) printf("recv: %s\n", strerror(errno));
  printf("over\n");
  return NULL;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  int fd = argc == 2 ? connect_to(argv[1]) : -1;
  if (fd < 0) {
    perror("blocking_client");
    return 1;
  }
  pthread_t reader;
  if (pthread_create(&reader, NULL, read_lines, &fd) != 0) return 1;
#ifdef WITH_WAKELINE
  if (wakeline_app_create(NULL, &app) != WAKELINE_OK ||
      wakeline_app_enable_backgrounding(app, fd) != WAKELINE_OK) { /* the one line */
    printf("untagged: %s\n", wakeline_error_message());
  }
#endif
  pthread_join(reader, NULL);
#ifdef WITH_WAKELINE
  wakeline_app_free(app);
#endif
  close(fd);
  return 0;
}
