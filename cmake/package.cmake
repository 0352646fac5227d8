# What cpack makes, run by scripts/build-deb: Debian packages of the program, of libcloze.so, and of what other programs are
# built with. What they depend on, dpkg-shlibdeps finds in the binaries.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME cloze)
set(CPACK_PACKAGE_VENDOR "The cloze authors")
set(CPACK_PACKAGE_CONTACT "The cloze authors <cloze@localhost>") # whoever builds a package is its maintainer
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "") # it would precede that of each package
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program library development)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

# Debian has several builds of OpenBLAS that may take each other's place; that for OpenMP shares threads with cloze.
set(openblas libopenblas0-openmp)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME cloze)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS ${openblas})
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION
  "BERT pre-training on CPUs\n\
Trains BERT from plain text on ordinary CPUs: vocabulary, data, pre-training,\n\
evaluation and fine-tuning, to a model directory that Hugging Face loads.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libcloze${abi})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_DEPENDS ${openblas})
# What packages of programs that use the library depend on; cpack cannot make it for a SONAME with a point in its number.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/control/shlibs "libcloze ${abi} libcloze${abi} (>= ${PROJECT_VERSION})\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/control/shlibs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION
  "BERT models in C programs (shared library)\n\
Trains models, fills in masks, judges sentence pairs, embeds, classifies and\n\
labels texts.")

# Programs that link libcloze.a need what cloze is built with; others need nothing.
list(JOIN packages ", " suggested)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcloze-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libcloze${abi} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "${suggested}, libcsv-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION
  "BERT models in C programs (development files)\n\
The headers, the static library, and files for pkg-config and CMake.")

# Every package has its licence where Debian expects it.
foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(documents ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  install(FILES LICENSE DESTINATION ${documents} RENAME copyright COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES CHANGELOG.md DESTINATION ${documents} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
