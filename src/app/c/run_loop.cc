// SPDX-License-Identifier: Apache-2.0
#include "app/c/run_loop.h"

#include "app/c/boundary.h"

using namespace wakeline::app::c;  // NOLINT(*-using-namespace): a source of this border alone

extern "C" {

wakeline_error_t wakeline_run_loop_create(wakeline_run_loop_t** loop) {
  return guard([&]() -> wakeline_error_t {
    if (loop == nullptr) return fail_null("loop");
    auto made = wakeline::RunLoop::create();
    if (!made) return fail(made.error());
    *loop = Loops::add(std::make_shared<LoopObject>(std::move(*made)));
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_run_loop_free(wakeline_run_loop_t* loop) {
  return end<Loops>(loop, "loop", [](LoopObject& object) {
    *object.live = false;
    object.loop.stop();
  });
}

wakeline_error_t wakeline_run_loop_run(wakeline_run_loop_t* loop) {
  return with<Loops>(loop, "loop", [](LoopObject& object) -> wakeline_error_t {
    try {
      object.loop.run();
    } catch (const LoopFreed&) {
    }
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_run_loop_stop(wakeline_run_loop_t* loop) {
  return with<Loops>(loop, "loop", [](LoopObject& object) {
    object.loop.stop();
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_run_loop_fd(wakeline_run_loop_t* loop, int* fd) {
  return with<Loops>(loop, "loop",
                     [&](LoopObject& object) { return give(fd, object.loop.fd(), "fd"); });
}

wakeline_error_t wakeline_run_loop_dispatch(wakeline_run_loop_t* loop, size_t* count) {
  return with<Loops>(loop, "loop", [&](LoopObject& object) -> wakeline_error_t {
    try {
      const std::size_t ran = object.loop.dispatch();
      if (count != nullptr) *count = ran;
    } catch (const LoopFreed&) {
    }
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_run_loop_call_after(wakeline_run_loop_t* loop, int64_t delay_ms,
                                              wakeline_handler_t task, void* user,
                                              uint64_t* timer) {
  return with<Loops>(loop, "loop", [&](LoopObject& object) -> wakeline_error_t {
    if (task == nullptr) return fail_null("task");
    if (delay_ms < 0) return fail(WAKELINE_ERROR_INVALID_ARGUMENT, "delay_ms: negative");
    const auto number = object.loop.call_after(std::chrono::milliseconds(delay_ms),
                                               [live = object.live, task, user] {
                                                 if (!*live) throw LoopFreed{};
                                                 task(user);
                                               });
    if (timer != nullptr) *timer = number;
    return WAKELINE_OK;
  });
}

wakeline_error_t wakeline_run_loop_cancel(wakeline_run_loop_t* loop, uint64_t timer) {
  return with<Loops>(loop, "loop", [timer](LoopObject& object) {
    object.loop.cancel(timer);
    return WAKELINE_OK;
  });
}

}  // extern "C"
