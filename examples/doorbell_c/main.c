// SPDX-License-Identifier: Apache-2.0
//
// A doorbell in C: suspended all day, it rings when its server pushes.
//
//   doorbell-c [CREDENTIALS]   the file that `wakeline devices add NAME --output FILE` wrote;
//                              without it, the environment's DOORBELL_CREDENTIALS
//
// Exit codes: 0 it was asked to end (SIGINT, SIGTERM); 2 no credentials were named; 3 the
// credentials, or what they name, cannot be used; 4 the system gave no thread or descriptor.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <wakeline/wakeline.h>

static wakeline_app_t* app;

static void on_signal(int number) {
  (void)number;
  wakeline_app_stop(app);
}

static int fail(int code) {
  fprintf(stderr, "doorbell-c: %s\n", wakeline_error_message());
  return code;
}

static void on_woken(wakeline_wake_cause_t cause, void* user) {
  (void)user;
  printf("doorbell-c: woken by %s\n", wakeline_wake_cause_name(cause));
}

static void on_state(const wakeline_link_status_t* status, void* user) {
  (void)user;
  printf("doorbell-c: line %s (%s)\n", wakeline_link_state_name(status->state), status->why);
}

static void on_push(const wakeline_push_t* push, void* user) {
  (void)user;
  wakeline_notification_t notification = WAKELINE_NOTIFICATION_INIT;
  notification.title = push->title.size > 0 ? push->title.data : "Someone is at the door";
  notification.body = push->body.data;
  notification.category = "call.incoming";
  notification.urgency = WAKELINE_URGENCY_CRITICAL;
  notification.payload = push->data.data;
  printf("doorbell-c: ring %llu: %s\n", (unsigned long long)push->sequence, notification.title);
  if (wakeline_app_notify(app, &notification, NULL) != WAKELINE_OK) {
    printf("doorbell-c: not shown: %s\n", wakeline_error_message());
  }
}

int main(int argc, char** argv) {
  wakeline_push_options_t options = WAKELINE_PUSH_OPTIONS_INIT;
  options.credentials_file = argc == 2 ? argv[1] : getenv("DOORBELL_CREDENTIALS");
  if (argc > 2 || options.credentials_file == NULL) {
    fputs("usage: doorbell-c CREDENTIALS (or DOORBELL_CREDENTIALS in the environment)\n", stderr);
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);

  wakeline_push_client_t* client = NULL;
  if (wakeline_app_create(NULL, &app) != WAKELINE_OK) return fail(4);
  if (wakeline_push_client_create(app, &options, &client) != WAKELINE_OK) return fail(3);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  signal(SIGPIPE, SIG_IGN);  // whoever reads our lines may go

  wakeline_launch_reason_t reason = WAKELINE_LAUNCH_USER;
  wakeline_app_launch_reason(app, &reason);
  printf("doorbell-c: launched (%s)\n", wakeline_launch_reason_name(reason));
  wakeline_app_on_woken(app, on_woken, NULL);
  wakeline_push_client_on_state(client, on_state, NULL);
  wakeline_push_client_on_push(client, on_push, NULL);
  wakeline_push_client_start(client);
  const wakeline_error_t ended = wakeline_app_run(app);

  puts("doorbell-c: ends");
  wakeline_push_client_free(client);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  wakeline_app_free(app);
  return ended == WAKELINE_OK ? 0 : fail(4);
}
