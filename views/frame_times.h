// SPDX-License-Identifier: GPL-3.0-or-later
// How long things took on the GUI thread, measured where they happen: the last ones of each kind.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace mirrorscope::views {

// How long a search or a count may hold up the window before it lets it paint.
inline constexpr std::chrono::milliseconds kGuiSlice{8};

class FrameTimes {
public:
    // Measures while it lives.
    class Timer {
    public:
        Timer(FrameTimes& times, const char* what) : times_(times), what_(what), start_(std::chrono::steady_clock::now()) {}
        ~Timer() { times_.add(what_, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count()); }
        Timer(const Timer&) = delete;
        Timer& operator=(const Timer&) = delete;

    private:
        FrameTimes& times_;
        const char* what_;
        std::chrono::steady_clock::time_point start_;
    };

    void add(const std::string& what, double milliseconds);
    void clear() { times_.clear(); }
    std::vector<std::string> kinds() const;
    std::size_t count(const std::string& what) const;
    // 0 < share <= 1; in milliseconds, 0 if nothing was measured.
    double percentile(const std::string& what, double share) const;

private:
    static constexpr std::size_t kKept = 4096;
    struct Ring {
        std::vector<double> values;
        std::size_t next = 0;
    };
    std::map<std::string, Ring> times_;
};

} // namespace mirrorscope::views
