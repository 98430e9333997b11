// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks what libwakeline.so exports; everything else in it is hidden.
#define WAKELINE_API [[gnu::visibility("default")]]
