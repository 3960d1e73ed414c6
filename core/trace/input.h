// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes of a recording, whatever it is packed in: plain, gzip, zstd or xz, from a file or from standard input.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace mirrorscope {

class TraceInput {
public:
    // "-" is standard input. Throws InputError where there is nothing to read.
    explicit TraceInput(const std::string& file);
    // Of bytes that are there already.
    TraceInput(std::string name, std::string bytes);
    ~TraceInput();
    TraceInput(const TraceInput&) = delete;
    TraceInput& operator=(const TraceInput&) = delete;

    const std::string& name() const { return name_; }
    // The first bytes, unpacked; they are read again by read().
    std::string_view peek();
    // The next ones; empty at the end. Throws InputError when what it is packed in is broken.
    std::string_view read();
    // Of what may still grow, such as trace_pipe: is asked 5 times a second while nothing comes; false ends it.
    void whileWaiting(std::function<bool()> goOn) { waiting_ = std::move(goOn); }

private:
    class Unpack;
    class Inflate;
    class Zstd;
    class Xz;
    std::string_view raw();

    std::string name_;
    std::function<bool()> waiting_;
    int fd_ = -1;
    std::string given_;
    std::string raw_, out_;
    std::string_view rawRest_;
    std::string_view peeked_;
    bool givenAll_ = false; // of bytes that were there already
    bool begun_ = false, ended_ = false, havePeeked_ = false;
    bool begunPart_ = true;          // a packed part has begun and not ended
    std::unique_ptr<Unpack> unpack_; // null: plain
};

} // namespace mirrorscope
