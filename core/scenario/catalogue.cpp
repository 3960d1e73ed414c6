// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/catalogue.h"

#include "scenario/presets.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>

namespace mirrorscope {

namespace fs = std::filesystem;

namespace {
std::string unquoted(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
        text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
        text.remove_suffix(1);
    if (text.size() > 1 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front())
        text = text.substr(1, text.size() - 2);
    return std::string(text);
}

// Without the marks of Markdown, which a list does not show.
std::string plain(const std::string& text) {
    std::string out;
    for (const char c : text)
        if (c != '*' && c != '`')
            out += c;
    return out;
}

std::string firstSentence(const std::string& text) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i)
        if ((text[i] == '.' || text[i] == '?' || text[i] == '!') && text[i + 1] == ' ' && i > 20)
            return text.substr(0, i + 1);
    return text;
}

std::vector<std::string> yamlIn(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (entry.path().extension() == ".yaml")
            names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}
} // namespace

ScenarioCard cardOf(const std::string& file) {
    ScenarioCard card;
    card.file = file;
    card.title = fs::path(file).stem().string();
    std::replace(card.title.begin(), card.title.end(), '-', ' ');
    std::ifstream in(file, std::ios::binary);
    constexpr unsigned kLines = 400;
    std::string about, danger; // the first paragraph, and the one that says what could go wrong
    bool inAbout = false, aboutEnds = false, inDanger = false;
    std::string line;
    for (unsigned n = 0; n < kLines && std::getline(in, line); ++n) {
        const bool top = !line.empty() && std::isspace(static_cast<unsigned char>(line[0])) == 0 && line[0] != '#' && line[0] != '-';
        if (!top) {
            const std::string text = unquoted(line);
            inDanger = inDanger ? !text.empty() : danger.empty() && text.starts_with("What could go wrong");
            if (inAbout && inDanger)
                danger += (danger.empty() ? "" : " ") + text;
            // The first paragraph tells what it is about.
            // What one does first stands before it.
            if (inAbout && text.empty() && about.starts_with("**First:**"))
                about.clear();
            else if (inAbout && text.empty())
                aboutEnds = aboutEnds || !about.empty();
            else if (inAbout && !aboutEnds)
                about += (about.empty() ? "" : " ") + text;
            const std::size_t vm = line.find("vm:");
            if (card.vm.empty() && vm != std::string::npos && vm < 4)
                card.vm = unquoted(std::string_view(line).substr(vm + 3));
            continue;
        }
        inAbout = false;
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos)
            continue;
        const std::string key = line.substr(0, colon), value = unquoted(std::string_view(line).substr(colon + 1));
        if (key == "script")
            break;
        if (key == "title" && !value.empty())
            card.title = value;
        if (key == "about") {
            inAbout = true;
            if (!value.empty() && value[0] != '|' && value[0] != '>')
                about = value;
        }
        if (key == "tags" && value.size() > 1 && value[0] == '[')
            for (std::size_t at = 1; at < value.size();) {
                const std::size_t end = std::min(value.find_first_of(",]", at), value.size());
                if (const std::string tag = unquoted(std::string_view(value).substr(at, end - at)); !tag.empty())
                    card.tags.push_back(tag);
                at = end + 1;
            }
        if (key == "machine")
            if (const std::size_t vm = value.find("vm:"); vm != std::string::npos)
                card.vm = unquoted(std::string_view(value).substr(vm + 3, value.find_first_of(",}", vm) - vm - 3));
    }
    card.question = firstSentence(plain(danger.empty() ? about : danger));
    return card;
}

std::span<const Shelf> shelves() {
    static constexpr Shelf kShelves[] = {
        {"lessons", "Lessons",
         "a course: one thing after the other, from a page table walked by hand to the question who decides; and what is beside it"},
        {"races", "Races", "who comes first decides; explore runs all orders"},
        {"history", "Bugs that were", "faults that kernels were released with, each found again"},
        {"broken", "Without one step of the protocol", "what goes wrong without BLOCK, TRACK, the freeze, a flush"},
        {"review", "Rival designs", "who decides that the private table must follow: four answers"},
        {"seamcalls", "SEAMCALLs", "each leaf of the TDX module by itself"},
        {"selftests", "What the kernel's own tests say", "a fact a file, from tools/testing/selftests/kvm"},
    };
    return kShelves;
}

namespace {
// In the order of the course, and then those that are in no course.
std::pair<std::vector<std::string>, std::size_t> lessons() {
    const fs::path folder = fs::path(scenarioFolder()) / "lessons";
    std::vector<std::string> rest = yamlIn(folder), files;
    std::ifstream in(folder / "course.txt");
    for (std::string line; std::getline(in, line);)
        if (const auto found = std::find(rest.begin(), rest.end(), unquoted(line)); found != rest.end()) {
            files.push_back((folder / *found).string());
            rest.erase(found);
        }
    const std::size_t inCourse = files.size();
    for (const std::string& name : rest)
        files.push_back((folder / name).string());
    return {files, inCourse};
}
} // namespace

std::vector<std::string> course() {
    auto [files, inCourse] = lessons();
    files.resize(inCourse);
    return files;
}

std::size_t lessonNumber(const std::string& file) {
    std::error_code none;
    const std::vector<std::string> lessons = course();
    const auto found =
        std::find_if(lessons.begin(), lessons.end(), [&](const std::string& lesson) { return fs::equivalent(lesson, file, none); });
    return found == lessons.end() ? 0 : static_cast<std::size_t>(found - lessons.begin()) + 1;
}

std::vector<std::string> filesOf(const Shelf& shelf) {
    if (shelf.folder == "lessons")
        return lessons().first;
    const fs::path folder = fs::path(scenarioFolder()) / shelf.folder;
    std::vector<std::string> files;
    for (const std::string& name : yamlIn(folder))
        files.push_back((folder / name).string());
    return files;
}

} // namespace mirrorscope
