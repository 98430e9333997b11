# SPDX-License-Identifier: Apache-2.0
include(GoogleTest)

# One module of src/: a static library `wakeline_NAME` and, where it has tests beside its sources, `NAME_test`.
#   wakeline_module(base SOURCES a.cc b.cc TESTS a_test.cc LINK fmt::fmt)
# LINK is public: what a module's headers name, its users link.
function(wakeline_module name)
  cmake_parse_arguments(PARSE_ARGV 1 M "" "" "SOURCES;TESTS;LINK")
  add_library(wakeline_${name} STATIC ${M_SOURCES})
  target_link_libraries(wakeline_${name} PUBLIC wakeline_flags ${M_LINK})
  if(WAKELINE_TESTS AND M_TESTS)
    wakeline_test(${name}_test LABEL unit SOURCES ${M_TESTS} LINK wakeline_${name})
  endif()
endfunction()

# A GoogleTest program whose cases ctest lists one by one.
#   wakeline_test(host_test LABEL integration SOURCES x_test.cc LINK wakeline_host)
function(wakeline_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "LABEL;TIMEOUT" "SOURCES;LINK")
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE wakeline_flags ${T_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()

# A libFuzzer target `NAME` from fuzz/…; with WAKELINE_FUZZ only.
function(wakeline_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 F "" "" "SOURCES;LINK")
  if(WAKELINE_FUZZ)
    add_executable(${name} ${F_SOURCES})
    target_link_libraries(${name} PRIVATE wakeline_flags ${F_LINK})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
