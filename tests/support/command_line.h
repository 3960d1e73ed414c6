// SPDX-License-Identifier: GPL-3.0-or-later
// The program as a shell calls it.
#pragma once

#include "support/run.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace mirrorscope::test {

struct Result {
    int status = -1;
    std::string out, error;
};

class CommandLine : public testing::Test {
protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("mirrorscope-cli-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    Result call(const std::string& arguments) {
        const std::string out = (folder_ / "out").string(), error = (folder_ / "error").string();
        const int raw =
            std::system((std::string("'") + MIRRORSCOPE_PROGRAM + "' " + arguments + " >'" + out + "' 2>'" + error + "'").c_str());
        return {WIFEXITED(raw) ? WEXITSTATUS(raw) : 128, readFile(out), readFile(error)};
    }
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_ / name, std::ios::binary) << text;
        return "'" + (folder_ / name).string() + "'";
    }
    static std::string lesson(const char* name) { return "'" + (kSource / "scenarios/lessons" / name).string() + "'"; }

    static std::string race(const char* name) { return "'" + (kSource / "scenarios/races" / name).string() + "'"; }
    static std::string program() { return std::string("'") + MIRRORSCOPE_PROGRAM + "'"; }

    std::filesystem::path folder_;
};

inline void expectOneLine(const Result& r) {
    EXPECT_EQ(r.status, 2) << r.out << r.error;
    EXPECT_EQ(std::count(r.error.begin(), r.error.end(), '\n'), 1) << r.error;
}

} // namespace mirrorscope::test
