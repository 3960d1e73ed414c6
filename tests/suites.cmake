# SPDX-License-Identifier: GPL-3.0-or-later
# ctest reads this when it begins: one test for each suite of the program `tests`, so that a process, of which a sanitizer makes a tenth of
# a second, is started some 150 times and not 700. What `tests_apart` names runs in processes of its own and is not listed here.
execute_process(COMMAND "${tests_program}" "--gtest_filter=-${tests_apart}" --gtest_list_tests OUTPUT_VARIABLE listed RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${tests_program} does not list its tests: ${failed}")
endif()
string(REGEX MATCHALL "(^|\n)[A-Za-z0-9_/]+\\." suites "${listed}")
foreach(suite IN LISTS suites)
  string(REGEX REPLACE "[\n.]" "" suite "${suite}")
  add_test("${suite}" "${tests_program}" "--gtest_filter=${suite}.*:-${tests_apart}")
  set_tests_properties("${suite}" PROPERTIES TIMEOUT 900)
  if(suite MATCHES "RightKernels|Failures") # what these prepare for all of their tests takes long
    set_tests_properties("${suite}" PROPERTIES COST 20)
  endif()
endforeach()
