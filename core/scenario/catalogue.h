// SPDX-License-Identifier: GPL-3.0-or-later
// What is shipped, as one looks for it: by title, by the question that it answers, by tags and the kind of VM. Read from the heads of the
// files, without binding them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct ScenarioCard {
    std::string file;     // its path
    std::string title;    // as the file says, else its name in words
    std::string question; // the first sentence of `about`
    std::vector<std::string> tags;
    std::string vm; // as `machine.vm` has it; empty if the file does not say
};
// Of one file; one that cannot be read has nothing but a name.
ScenarioCard cardOf(const std::string& file);

// The folders of scenarioFolder(), in the order in which they are shown.
struct Shelf {
    std::string_view folder;
    std::string_view title;
    std::string_view help;
};
std::span<const Shelf> shelves();
// Its scenarios: lessons in the order of the course, and behind them those that are in none; the others by name.
std::vector<std::string> filesOf(const Shelf& shelf);
// The lessons in the order in which they are taken: lessons/course.txt, a name a line.
std::vector<std::string> course();
// The place in the course, from 1; 0 for what is not in it.
std::size_t lessonNumber(const std::string& file);

} // namespace mirrorscope
