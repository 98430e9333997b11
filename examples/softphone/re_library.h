// SPDX-License-Identifier: Apache-2.0
#pragma once

// libre is a library in C, and its headers do not say so. Told that there is <stdbool.h>, they
// leave `bool` alone; told of OpenSSL, they show its context.
#define HAVE_STDBOOL_H 1
#define USE_OPENSSL 1
extern "C" {
#include <re.h>
}
