// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "linux/notifications.h"

namespace wakeline::sys {
namespace {

TEST(Markup, IsEscapedInPlainText) {
  EXPECT_EQ(escape_markup("a <b>bold</b> & 'quoted' \"text\""),
            "a &lt;b&gt;bold&lt;/b&gt; &amp; 'quoted' \"text\"");
  EXPECT_EQ(escape_markup("&amp;"), "&amp;amp;");
  EXPECT_EQ(escape_markup(""), "");
}

}  // namespace
}  // namespace wakeline::sys
