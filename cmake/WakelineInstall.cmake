# SPDX-License-Identifier: Apache-2.0
# What `make install` puts where: the program, the library with its headers and its pkg-config file,
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
  install(TARGETS libwakeline LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY include/wakeline DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h")
  configure_file(packaging/wakeline.pc.in ${PROJECT_BINARY_DIR}/wakeline.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/wakeline.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

# What `wakeline demo` and `wakeline bench` start.
foreach(program doorbell bench-app bench-holder bench-lines)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/wakeline)
    set_target_properties(${program} PROPERTIES
      INSTALL_RPATH "$ORIGIN/../../${CMAKE_INSTALL_LIBDIR}")
  endif()
endforeach()
