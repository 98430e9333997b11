# SPDX-License-Identifier: Apache-2.0
include(GoogleTest)

# One module of src/: a static library `wakeline_NAME` and, where it has tests beside its sources,
# the program `NAME_test`.
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
# Labels: unit, integration, peers, sim. Cases labelled integration or peers run one at a time in
# each queue: `machine`, which suspends programs and makes networks, or `server`, where QUEUE says
# so; unit tests fill the gaps. RUN_SERIAL is for those that measure time and need the machine for
# themselves. TIMEOUT is in seconds, for one case.
function(wakeline_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "RUN_SERIAL" "LABEL;TIMEOUT;QUEUE" "SOURCES;LINK")
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  if(NOT T_QUEUE)
    set(T_QUEUE machine)
  endif()
  # The same random histories in every run; a test program started by hand takes new ones.
  set(properties LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT} ENVIRONMENT RC_PARAMS=seed=1)
  if(T_RUN_SERIAL)
    list(APPEND properties RUN_SERIAL ON)
  elseif(T_LABEL MATCHES "^(integration|peers)$")
    # They set how long a run takes, so they start first; a new machine knows no durations.
    list(APPEND properties RESOURCE_LOCK ${T_QUEUE} COST 1000)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE wakeline_flags ${T_LINK}
    GTest::gtest GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES ${properties})
endfunction()

# A libFuzzer target `NAME`. The preset `fuzz` builds it; every preset with tests gets the test
# `fuzz.NAME`, which runs that program for a few seconds.
#   wakeline_fuzz(mqtt_fuzz SOURCES mqtt_fuzz.cc LINK wakeline_wire [EXAMPLES folder])
# EXAMPLES is a folder of inputs to start from.
function(wakeline_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 F "" "EXAMPLES" "SOURCES;LINK")
  if(WAKELINE_FUZZ)
    add_executable(${name} ${F_SOURCES})
    target_link_libraries(${name} PRIVATE wakeline_flags ${F_LINK})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set(examples -)
    if(F_EXAMPLES)
      cmake_path(ABSOLUTE_PATH F_EXAMPLES OUTPUT_VARIABLE examples)
    endif()
    set_property(GLOBAL APPEND_STRING PROPERTY WAKELINE_FUZZ_LINES "${name} ${examples}\n")
    set_property(GLOBAL APPEND PROPERTY WAKELINE_FUZZ_TARGETS ${name})
  elseif(WAKELINE_TESTS)
    add_test(NAME fuzz.${name}
      COMMAND ${PROJECT_SOURCE_DIR}/tools/fuzz --no-build ${name})
    set_tests_properties(fuzz.${name} PROPERTIES
      LABELS fuzz TIMEOUT 60 FIXTURES_REQUIRED fuzz_targets
      ENVIRONMENT FUZZ_SECONDS=${WAKELINE_FUZZ_SECONDS})
    set_property(GLOBAL PROPERTY WAKELINE_FUZZ_TESTS ON)
  endif()
endfunction()

# Called once, when every module is known: the list that tools/fuzz reads, and the fixture that
# brings the fuzz programs up to date before their tests run.
function(wakeline_finish_fuzz)
  get_property(lines GLOBAL PROPERTY WAKELINE_FUZZ_LINES)
  get_property(targets GLOBAL PROPERTY WAKELINE_FUZZ_TARGETS)
  get_property(tests GLOBAL PROPERTY WAKELINE_FUZZ_TESTS)
  if(WAKELINE_FUZZ)
    file(WRITE ${PROJECT_BINARY_DIR}/fuzz-targets.txt "${lines}")
    add_custom_target(fuzz_targets ALL DEPENDS ${targets})
  elseif(tests)
    add_test(NAME fuzz.build COMMAND ${PROJECT_SOURCE_DIR}/tools/build fuzz)
    set_tests_properties(fuzz.build PROPERTIES
      LABELS fuzz TIMEOUT 900 RUN_SERIAL ON FIXTURES_SETUP fuzz_targets)
  endif()
endfunction()
