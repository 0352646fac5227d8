# What `cmake --install` puts where: the program, with its manual page and completion for bash and zsh; libcloze.so; and what
# programs are built with that use it, which is libcloze.a, the headers, cloze.pc for pkg-config, and the package for CMake.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS cloze RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
if(TARGET manual)
  install(FILES ${manual} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
endif()
install(FILES completions/cloze.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME cloze
  COMPONENT program)
install(FILES completions/_cloze DESTINATION ${CLOZE_ZSH_DIRECTORY} COMPONENT program)
install(TARGETS cloze_library EXPORT clozeTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/cloze DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

# cloze.pc names the prefix by its own place, so that an installation can be moved.
file(RELATIVE_PATH CLOZE_PREFIX_FROM_PC "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" CLOZE_PREFIX_FROM_PC "${CLOZE_PREFIX_FROM_PC}")
# What libcloze.a needs is listed in it, not required as packages: these would in turn ask for all that they need
# themselves, while of libraries other than cloze the shared ones are linked.
list(TRANSFORM OpenMP_C_LIB_NAMES PREPEND -l OUTPUT_VARIABLE openmp_libraries)
list(JOIN libraries_LDFLAGS " " CLOZE_LIBRARIES)
list(JOIN openmp_libraries " " openmp_libraries)
string(APPEND CLOZE_LIBRARIES " -lcsv ${openmp_libraries} -lm")
list(JOIN modules " " CLOZE_MODULES)
configure_file(cmake/cloze.pc.in cloze.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cloze.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/cloze)
configure_package_config_file(cmake/clozeConfig.cmake.in clozeConfig.cmake INSTALL_DESTINATION ${package_directory})
write_basic_package_version_file(clozeConfigVersion.cmake COMPATIBILITY SameMinorVersion) # as the SOVERSION
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/clozeConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/clozeConfigVersion.cmake
  DESTINATION ${package_directory} COMPONENT development)
install(EXPORT clozeTargets NAMESPACE cloze:: DESTINATION ${package_directory} COMPONENT development)
if(TARGET cloze_static)
  install(TARGETS cloze_static EXPORT clozeStaticTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT clozeStaticTargets NAMESPACE cloze:: DESTINATION ${package_directory} COMPONENT development)
endif()
