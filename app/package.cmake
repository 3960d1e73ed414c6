# SPDX-License-Identifier: GPL-3.0-or-later
# What is installed, and the Debian package: `cmake --build --preset package && cpack --preset package`.
include(GNUInstallDirs)
set(package "${CMAKE_BINARY_DIR}/package")
set(resources "${CMAKE_SOURCE_DIR}/resources")
# Made by the program itself, so that they say what it can.
add_custom_command(OUTPUT "${package}/mirrorscope.1.gz" "${package}/changelog.gz" "${package}/mirrorscope" "${package}/_mirrorscope" "${package}/mirrorscope.fish"
  COMMAND ${CMAKE_COMMAND} -E make_directory "${package}"
  COMMAND sh -c "'$<TARGET_FILE:mirrorscope>' man | gzip -9n >mirrorscope.1.gz"
  COMMAND sh -c "gzip -9n <'${resources}/package/changelog' >changelog.gz"
  COMMAND sh -c "'$<TARGET_FILE:mirrorscope>' completion bash >mirrorscope"
  COMMAND sh -c "'$<TARGET_FILE:mirrorscope>' completion zsh >_mirrorscope"
  COMMAND sh -c "'$<TARGET_FILE:mirrorscope>' completion fish >mirrorscope.fish"
  WORKING_DIRECTORY "${package}"
  DEPENDS mirrorscope "${resources}/package/changelog" VERBATIM)
add_custom_target(pages ALL DEPENDS "${package}/mirrorscope.1.gz")

install(TARGETS mirrorscope RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY "${CMAKE_SOURCE_DIR}/scenarios" DESTINATION ${CMAKE_INSTALL_DATADIR}/mirrorscope)
install(FILES "${resources}/scenario.schema.json" "${resources}/events.schema.json" "${resources}/state.schema.json"
  DESTINATION ${CMAKE_INSTALL_DATADIR}/mirrorscope/resources)
install(DIRECTORY "${resources}/ci" DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(PROGRAMS "${resources}/snapshot/kvm-snapshot.py" DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(DIRECTORY "${resources}/docs/" DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES "${package}/changelog.gz" "${resources}/package/copyright" DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES "${package}/mirrorscope.1.gz" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES "${package}/mirrorscope" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES "${package}/_mirrorscope" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES "${package}/mirrorscope.fish" DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES "${resources}/desktop/org.mirrorscope.mirrorscope.desktop" DESTINATION ${CMAKE_INSTALL_DATADIR}/applications)
install(FILES "${resources}/desktop/org.mirrorscope.mirrorscope.metainfo.xml" DESTINATION ${CMAKE_INSTALL_DATADIR}/metainfo)
install(FILES "${resources}/desktop/mirrorscope.xml" DESTINATION ${CMAKE_INSTALL_DATADIR}/mime/packages)
install(FILES "${resources}/desktop/mirrorscope.svg" DESTINATION ${CMAKE_INSTALL_DATADIR}/icons/hicolor/scalable/apps)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mirrorscope)
set(CPACK_PACKAGE_VENDOR "The Mirrorscope maintainers")
set(CPACK_PACKAGE_CONTACT "The Mirrorscope maintainers <maintainers@mirrorscope.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "see, step and break mirrored page tables")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "A model of the TDP MMU of Linux KVM and of the TDX module, in which guests'
private memory is mapped by a table that KVM may not touch and keeps a mirror
of. Scenarios are run step by step, forwards and backwards, with the shared,
the mirrored and the real private tree side by side; every interleaving of a
race is explored, and the one that breaks handed back.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libqt6svg6, qt6-qpa-plugins, fonts-dejavu-core")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
include(CPack)
