# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where: the program, the library with its headers, its pkg-config file and its CMake package,
# the licence. Included last, when every target is known.
if(TARGET wakeline)
  install(TARGETS wakeline RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES LICENSE README.md packaging/server.toml DESTINATION ${CMAKE_INSTALL_DOCDIR})
  install(FILES docs/man/wakeline.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES packaging/completion/wakeline.bash
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME wakeline)
endif()

# The target is `libwakeline`, as `wakeline` is the program; the file is libwakeline.so.
if(TARGET libwakeline)
  set_target_properties(libwakeline PROPERTIES
    OUTPUT_NAME wakeline VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  set_target_properties(libwakeline PROPERTIES EXPORT_NAME wakeline)
  install(TARGETS libwakeline EXPORT wakeline LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY include/wakeline DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
  # Both find the rest from where they lie, so that an installed tree may be moved.
  file(RELATIVE_PATH WAKELINE_PC_TO_PREFIX
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  configure_file(packaging/wakeline.pc.in ${PROJECT_BINARY_DIR}/wakeline.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/wakeline.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  include(CMakePackageConfigHelpers)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/wakeline)
  configure_package_config_file(cmake/wakelineConfig.cmake.in
    ${PROJECT_BINARY_DIR}/wakelineConfig.cmake INSTALL_DESTINATION ${package})
  # Before 1.0 a minor version may change what programs rely on; see tests/abi.
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/wakelineConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/wakelineConfig.cmake
    ${PROJECT_BINARY_DIR}/wakelineConfigVersion.cmake DESTINATION ${package})
  install(EXPORT wakeline FILE wakelineTargets.cmake NAMESPACE wakeline:: DESTINATION ${package})
endif()

# Every example as its source, with what builds it from the installed tree alone. Programs are only those below, and
# those that a manifest beside them names.
if(TARGET libwakeline)
  install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
    FILES_MATCHING PATTERN "*.c" PATTERN "*.cc" PATTERN "*.h")
  install(FILES packaging/examples/CMakeLists.txt DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
endif()

# What `wakeline demo` and `wakeline bench` start.
foreach(program doorbell doorbell-c bench-app bench-client bench-client-mosquitto bench-client-paho bench-fleet bench-holder
    bench-lines bench-store)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/wakeline)
    set_target_properties(${program} PROPERTIES
      INSTALL_RPATH "$ORIGIN/../../${CMAKE_INSTALL_LIBDIR}")
  endif()
endforeach()
