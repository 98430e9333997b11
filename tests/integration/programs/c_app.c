// SPDX-License-Identifier: Apache-2.0
// The library from plain C. Without arguments: every group of functions, without a host; it prints
// what was not as documented, and ends with the number of such places. With the argument `app`: an
// app of the host's tests, as library_app.cc.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wakeline/wakeline.h>

static int wrong;

static void expect(int holds, int line, const char* what) {
  if (holds) return;
  printf("line %d: %s (last error: %s)\n", line, what, wakeline_error_message());
  ++wrong;
}
#define EXPECT(condition) expect((condition), __LINE__, #condition)

static void on_due(void* user) { ++*(int*)user; }

static void on_network(const wakeline_network_t* network, void* user) {
  (void)network;
  ++*(int*)user;
}

static void on_status(const wakeline_link_status_t* status, void* user) {
  *(wakeline_link_state_t*)user = status->state;
}

/// A connected socket, and in `listener` what it is connected to.
static int connect_loopback(wakeline_app_t* app, int* listener) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  *listener = socket(AF_INET, SOCK_STREAM, 0);
  int fd = -1;
  EXPECT(bind(*listener, (struct sockaddr*)&address, size) == 0 && listen(*listener, 1) == 0);
  EXPECT(getsockname(*listener, (struct sockaddr*)&address, &size) == 0);
  EXPECT(wakeline_app_connect_tcp(app, "127.0.0.1", ntohs(address.sin_port), 5000, &fd) ==
         WAKELINE_OK);
  return fd;
}

static void check_app(wakeline_app_t* app) {
  wakeline_host_info_t info = WAKELINE_HOST_INFO_INIT;
  wakeline_launch_reason_t reason = -1;
  wakeline_app_state_t state = -1;
  wakeline_call_state_t call = -1;
  int fd = -1;
  int calls = 0;
  size_t count = 9;
  EXPECT(wakeline_app_host(app, &info) == WAKELINE_ERROR_NO_HOST);
  EXPECT(strlen(wakeline_error_message()) > 0);
  EXPECT(wakeline_app_launch_reason(app, &reason) == WAKELINE_OK && reason == WAKELINE_LAUNCH_USER);
  EXPECT(wakeline_app_state(app, &state) == WAKELINE_OK && state == WAKELINE_STATE_FOREGROUND);
  EXPECT(wakeline_app_call_state(app, &call) == WAKELINE_OK && call == WAKELINE_CALL_ENDED);
  EXPECT(wakeline_app_network(app, on_network, &calls) == WAKELINE_ERROR_NOT_FOUND && calls == 0);
  EXPECT(wakeline_app_network(app, NULL, NULL) == WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_app_on_foreground(app, on_due, &calls) == WAKELINE_OK);
  EXPECT(wakeline_app_on_background(app, on_due, &calls) == WAKELINE_OK);
  EXPECT(wakeline_app_on_foreground(app, NULL, NULL) == WAKELINE_OK);
  EXPECT(wakeline_app_fd(app, &fd) == WAKELINE_OK && fd >= 0);
  EXPECT(wakeline_app_dispatch(app, &count) == WAKELINE_OK && count == 0);
  EXPECT(wakeline_app_stop(app) == WAKELINE_OK);
  EXPECT(wakeline_app_run(app) == WAKELINE_OK);
}

static void check_background(wakeline_app_t* app) {
  int calls = 0;
  int listener = -1;
  bool flag = true;
  int64_t left = 0;
  wakeline_tag_t* tag = NULL;
  wakeline_background_task_t* task = NULL;
  wakeline_audio_session_t* session = NULL;
  wakeline_wake_request_t* request = NULL;
  const int fd = connect_loopback(app, &listener);
  EXPECT(wakeline_app_tag(app, listener, &tag) == WAKELINE_ERROR_LISTENING && tag == NULL);
  EXPECT(wakeline_app_tag(app, -1, &tag) == WAKELINE_ERROR_NOT_SOCKET);
  EXPECT(wakeline_app_tag(app, fd, NULL) == WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_app_tag(app, fd, &tag) == WAKELINE_OK);
  EXPECT(wakeline_tag_is_wake_capable(tag, &flag) == WAKELINE_OK && !flag);
  EXPECT(wakeline_tag_free(tag) == WAKELINE_OK);
  EXPECT(wakeline_tag_is_wake_capable(tag, &flag) == WAKELINE_ERROR_HANDLE);
  EXPECT(wakeline_app_enable_backgrounding(app, fd) == WAKELINE_OK);
  EXPECT(wakeline_app_is_wake_capable(app, fd, &flag) == WAKELINE_OK && !flag);

  EXPECT(wakeline_app_begin_background_task(app, "t", NULL, NULL, &task) ==
         WAKELINE_ERROR_NO_HANDLER);
  EXPECT(wakeline_app_begin_background_task(app, NULL, on_due, &calls, &task) == WAKELINE_OK);
  EXPECT(wakeline_app_background_time_remaining(app, &left) == WAKELINE_OK &&
         left == WAKELINE_TIME_UNLIMITED);
  EXPECT(wakeline_background_task_free(task) == WAKELINE_OK);

  EXPECT(wakeline_app_set_keep_alive_timeout(app, 1, on_due, &calls, NULL) ==
         WAKELINE_ERROR_TOO_SHORT);
  EXPECT(wakeline_app_set_keep_alive_timeout(app, 600, on_due, &calls, &flag) == WAKELINE_OK &&
         !flag);
  EXPECT(wakeline_app_clear_keep_alive_timeout(app) == WAKELINE_OK);

  EXPECT(wakeline_app_begin_audio_session(app, &session) == WAKELINE_OK);
  EXPECT(wakeline_audio_session_free(session) == WAKELINE_OK);
  EXPECT(wakeline_app_request_wake(app, 10, 5, on_due, &calls, &request) ==
         WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_app_request_wake(app, 0, 10, on_due, &calls, &request) == WAKELINE_OK);
  for (int i = 0; i < 1000 && calls == 0; ++i) {
    struct pollfd waited = {-1, POLLIN, 0};
    wakeline_app_fd(app, &waited.fd);
    poll(&waited, 1, 10);
    wakeline_app_dispatch(app, NULL);
  }
  EXPECT(calls == 1);  // the wake alone
  EXPECT(wakeline_wake_request_free(request) == WAKELINE_OK);
  close(fd);
  close(listener);
}

static void check_notification(wakeline_app_t* app) {
  wakeline_notification_t notification = WAKELINE_NOTIFICATION_INIT;
  EXPECT(wakeline_app_notify(app, NULL, NULL) == WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_app_notify(app, &notification, NULL) == WAKELINE_ERROR_INVALID_ARGUMENT);
  notification.title = "ring";
  EXPECT(wakeline_app_notify(app, &notification, NULL) == WAKELINE_ERROR_NO_HOST);
}

static void check_push(wakeline_app_t* app, const char* folder) {
  char state[256];
  char credentials[256];
  bool capable = true;
  wakeline_link_state_t link = -1;
  wakeline_push_client_t* client = NULL;
  wakeline_push_client_t* other = NULL;
  wakeline_sealing_keys_t keys = WAKELINE_SEALING_KEYS_INIT;
  wakeline_push_options_t options = WAKELINE_PUSH_OPTIONS_INIT;
  snprintf(state, sizeof state, "%s/state", folder);
  snprintf(credentials, sizeof credentials, "%s/credentials", folder);
  EXPECT(wakeline_push_client_create(app, &options, &client) == WAKELINE_ERROR_INVALID_ARGUMENT);
  options.credentials_file = credentials;
  EXPECT(wakeline_push_client_create(app, &options, &client) == WAKELINE_ERROR_NOT_FOUND);
  FILE* file = fopen(credentials, "w");
  EXPECT(file != NULL);
  fputs("host = 127.0.0.1\nport = 1\ndevice = door\ntoken = secret\n", file);
  fclose(file);
  options.state_file = state;
  options.plain = true;
  EXPECT(wakeline_push_client_create(app, &options, &client) == WAKELINE_OK);
  EXPECT(wakeline_push_client_create(app, &options, &other) == WAKELINE_ERROR_BUSY);
  EXPECT(wakeline_push_client_status(client, on_status, &link) == WAKELINE_OK &&
         link == WAKELINE_LINK_STOPPED);
  EXPECT(wakeline_push_client_is_wake_capable(client, &capable) == WAKELINE_OK && !capable);
  EXPECT(wakeline_push_client_sealing_keys(client, &keys) == WAKELINE_OK &&
         strlen(keys.p256dh) == 87 && strlen(keys.auth) == 22);
  char key[WAKELINE_KEY_SIZE] = "";
  size_t waiting = 9;
  wakeline_message_t message = WAKELINE_MESSAGE_INIT;
  message.body = "here";
  message.body_size = 4;
  EXPECT(wakeline_push_client_send(client, &message, key, 8) == WAKELINE_ERROR_BUFFER);
  message.kind = 9;
  EXPECT(wakeline_push_client_send(client, &message, NULL, 0) == WAKELINE_ERROR_INVALID_ARGUMENT);
  message.kind = WAKELINE_MESSAGE_PRESENCE;
  EXPECT(wakeline_push_client_outbox_size(client, &waiting) == WAKELINE_OK && waiting == 0);
  EXPECT(wakeline_push_client_send(client, &message, key, sizeof key) == WAKELINE_OK &&
         strlen(key) > 0);
  EXPECT(wakeline_push_client_outbox_size(client, &waiting) == WAKELINE_OK && waiting == 1);
  EXPECT(strcmp(wakeline_send_result_name(WAKELINE_SEND_EXPIRED), "expired") == 0);
  EXPECT(wakeline_push_client_start(client) == WAKELINE_OK);
  EXPECT(wakeline_push_client_kick(client) == WAKELINE_OK);
  EXPECT(wakeline_push_client_accept(client, 7) == WAKELINE_OK);
  EXPECT(wakeline_push_client_stop(client) == WAKELINE_OK);
  EXPECT(wakeline_push_client_free(client) == WAKELINE_OK);
  EXPECT(wakeline_push_client_free(client) == WAKELINE_ERROR_HANDLE);
}

static void on_stream(wakeline_stream_event_t event, void* user) {
  wakeline_run_loop_stop(user);
  EXPECT(event == WAKELINE_STREAM_OPEN_COMPLETED);
}

static void check_streams(wakeline_app_t* app) {
  int listener = -1;
  int own = -1;
  size_t took = 0;
  wakeline_run_loop_t* loop = NULL;
  wakeline_stream_t* stream = NULL;
  wakeline_tls_options_t tls = WAKELINE_TLS_OPTIONS_INIT;
  const int fd = connect_loopback(app, &listener);
  EXPECT(wakeline_run_loop_create(&loop) == WAKELINE_OK);
  EXPECT(wakeline_run_loop_fd(loop, &own) == WAKELINE_OK && own >= 0);
  EXPECT(wakeline_run_loop_dispatch(loop, NULL) == WAKELINE_OK);
  EXPECT(wakeline_stream_over_socket(app, listener, false, &stream) == WAKELINE_ERROR_LISTENING);
  EXPECT(wakeline_stream_over_socket(app, fd, true, &stream) == WAKELINE_OK);
  EXPECT(wakeline_stream_use_tls(stream, &tls) == WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_stream_set_open_timeout(stream, 5000) == WAKELINE_OK);
  EXPECT(wakeline_stream_set_service_type(stream, WAKELINE_SERVICE_VOIP) == WAKELINE_OK);
  EXPECT(wakeline_stream_open(stream, loop, on_stream, loop) == WAKELINE_OK);
  EXPECT(wakeline_run_loop_run(loop) == WAKELINE_OK);
  EXPECT(wakeline_stream_write(stream, "ping", 4, &took) == WAKELINE_OK && took == 4);
  EXPECT(wakeline_stream_error(stream) == WAKELINE_OK);
  EXPECT(wakeline_stream_close(stream) == WAKELINE_OK);
  EXPECT(wakeline_stream_free(stream) == WAKELINE_OK);
  EXPECT(wakeline_run_loop_free(loop) == WAKELINE_OK);
  EXPECT(wakeline_run_loop_stop(loop) == WAKELINE_ERROR_HANDLE);
  close(listener);
}

static void check_secrets(const char* folder) {
  char guarded[256];
  char open[256];
  char bytes[4] = "";
  size_t size = 0;
  wakeline_secret_state_t state = -1;
  wakeline_secret_folder_t folders = WAKELINE_SECRET_FOLDER_INIT;
  EXPECT(wakeline_secret_read(&folders, "a", &state, NULL, 0, &size) ==
         WAKELINE_ERROR_INVALID_ARGUMENT);
  snprintf(guarded, sizeof guarded, "%s/guarded", folder);
  snprintf(open, sizeof open, "%s/open", folder);
  folders.guarded = guarded;
  folders.open = open;
  EXPECT(wakeline_secret_read(&folders, "a", &state, NULL, 0, &size) == WAKELINE_OK &&
         state == WAKELINE_SECRET_ABSENT);
  EXPECT(wakeline_secret_write(&folders, "../a", "x", 1) == WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_secret_write(&folders, "a", "12345", 5) == WAKELINE_OK);
  state = -1;
  EXPECT(wakeline_secret_read(&folders, "a", &state, bytes, sizeof bytes, &size) ==
             WAKELINE_ERROR_BUFFER &&
         size == 5 && state == -1);
  EXPECT(wakeline_secret_write(&folders, "a", "1234", 4) == WAKELINE_OK);
  EXPECT(wakeline_secret_read(&folders, "a", &state, bytes, sizeof bytes, &size) == WAKELINE_OK &&
         size == 4 && memcmp(bytes, "1234", 4) == 0);
  EXPECT(wakeline_secret_erase(&folders, "a") == WAKELINE_OK);
  EXPECT(strcmp(wakeline_secret_state_name(WAKELINE_SECRET_LOCKED), "locked") == 0);
}

static int check_all(void) {
  char folder[] = "/tmp/wakeline-c-XXXXXX";
  char command[64];
  wakeline_app_options_t options = WAKELINE_APP_OPTIONS_INIT;
  wakeline_app_t* app = NULL;
  if (mkdtemp(folder) == NULL) return 99;
  options.host_path = "/nowhere/host.sock";
  EXPECT(wakeline_app_create(&options, NULL) == WAKELINE_ERROR_INVALID_ARGUMENT);
  EXPECT(wakeline_app_create(&options, &app) == WAKELINE_OK);
  check_app(app);
  check_background(app);
  check_notification(app);
  check_push(app, folder);
  check_streams(app);
  check_secrets(folder);
  EXPECT(wakeline_app_free(app) == WAKELINE_OK);
  EXPECT(wakeline_app_free(app) == WAKELINE_ERROR_HANDLE);
  EXPECT(wakeline_app_free(NULL) == WAKELINE_OK);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command) == 0 ? wrong : 98;
}

// --- as an app of the host's tests

static int report_line;

static int connect_to_test(void) {
  const char* port = getenv("WAKELINE_TEST_PORT");
  struct sockaddr_in address;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)atoi(port == NULL ? "0" : port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) exit(3);
  return fd;
}

static void say(int fd, const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (send(fd, line, (size_t)size, MSG_NOSIGNAL) < 0) exit(0);
}

static void on_woken(wakeline_wake_cause_t cause, void* user) {
  (void)user;
  say(report_line, "woken %s\n", wakeline_wake_cause_name(cause));
}

static void on_wake_due(void* user) {
  (void)user;
  say(report_line, "due\n");
}

/// One command a packet, which the test sees to by waiting for each answer.
static void on_command(wakeline_app_t* app, int line, const char* command) {
  static wakeline_wake_request_t* request;
  bool capable = false;
  wakeline_notification_t notification = WAKELINE_NOTIFICATION_INIT;
  if (strcmp(command, "ping\n") == 0) {
    say(line, "pong\n");
  } else if (strcmp(command, "capable\n") == 0) {
    const wakeline_error_t asked = wakeline_app_is_wake_capable(app, line, &capable);
    say(report_line, "capable %s %s\n", wakeline_error_name(asked), capable ? "yes" : "no");
  } else if (strcmp(command, "wake\n") == 0) {
    const wakeline_error_t asked =
        wakeline_app_request_wake(app, 1500, 2500, on_wake_due, NULL, &request);
    say(report_line, "wake %s\n", wakeline_error_name(asked));
  } else if (strcmp(command, "notify\n") == 0) {
    notification.title = "from C";
    say(report_line, "notify %s\n",
        wakeline_error_name(wakeline_app_notify(app, &notification, NULL)));
  } else {
    say(report_line, "unknown command: %s", command);
  }
}

static int be_an_app(void) {
  wakeline_app_t* app = NULL;
  wakeline_host_info_t info = WAKELINE_HOST_INFO_INIT;
  if (wakeline_app_create(NULL, &app) != WAKELINE_OK) return 2;
  report_line = connect_to_test();
  say(report_line, "report %d\n", (int)getpid());
  const int line = connect_to_test();
  say(line, "line %d\n", (int)getpid());
  say(report_line, "host %s %s\n", wakeline_error_name(wakeline_app_host(app, &info)), info.app);
  say(report_line, "tagged %s\n",
      wakeline_error_name(wakeline_app_enable_backgrounding(app, line)));
  wakeline_app_on_woken(app, on_woken, NULL);
  for (;;) {
    char text[256];
    struct pollfd waited[3] = {{report_line, POLLIN, 0}, {line, POLLIN, 0}, {-1, POLLIN, 0}};
    wakeline_app_fd(app, &waited[2].fd);
    if (poll(waited, 3, -1) < 0 && errno != EINTR) return 4;
    wakeline_app_dispatch(app, NULL);
    for (int i = 0; i < 2; ++i) {
      if (waited[i].revents == 0) continue;
      const ssize_t size = recv(waited[i].fd, text, sizeof text - 1, 0);
      if (size <= 0) return 0;  // the test is over
      text[size] = '\0';
      on_command(app, line, text);
    }
  }
}

int main(int argc, char** argv) {
  (void)argv;
  return argc > 1 ? be_an_app() : check_all();
}
