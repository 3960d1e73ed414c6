// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/input.h"

#include "scenario/diagnostic.h"

#include <fcntl.h>
#include <lzma.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace mirrorscope {

// Takes packed bytes from the front of `in`, gives unpacked ones.
class TraceInput::Unpack {
public:
    virtual ~Unpack() = default;
    // False: they are broken. `done`: an end was reached, and another part may follow.
    virtual bool step(std::string_view& in, std::string& out, bool& done) = 0;
    static constexpr std::size_t kPiece = 1 << 17;
};

class TraceInput::Inflate final : public Unpack {
public:
    Inflate() { ready_ = inflateInit2(&stream_, 16 + MAX_WBITS) == Z_OK; }
    ~Inflate() override { inflateEnd(&stream_); }
    bool step(std::string_view& in, std::string& out, bool& done) override {
        if (!ready_)
            return false;
        if (ended_) { // members follow one another
            inflateReset(&stream_);
            ended_ = false;
        }
        out.resize(kPiece);
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
        stream_.avail_in = static_cast<uInt>(std::min<std::size_t>(in.size(), 1u << 30));
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = kPiece;
        const std::size_t had = stream_.avail_in;
        const int result = inflate(&stream_, Z_NO_FLUSH);
        in.remove_prefix(had - stream_.avail_in);
        out.resize(kPiece - stream_.avail_out);
        done = ended_ = result == Z_STREAM_END;
        return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
    }

private:
    z_stream stream_{};
    bool ready_ = false, ended_ = false;
};

class TraceInput::Zstd final : public Unpack {
public:
    bool step(std::string_view& in, std::string& out, bool& done) override {
        out.resize(kPiece);
        ZSTD_inBuffer from{in.data(), in.size(), 0};
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        const std::size_t result = ZSTD_decompressStream(stream_.get(), &to, &from);
        in.remove_prefix(from.pos);
        out.resize(to.pos);
        done = result == 0;
        return ZSTD_isError(result) == 0;
    }

private:
    struct Free {
        void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
    };
    std::unique_ptr<ZSTD_DStream, Free> stream_{ZSTD_createDStream()};
};

class TraceInput::Xz final : public Unpack {
public:
    Xz() {
        constexpr std::uint64_t kMost = 256u << 20;
        ready_ = lzma_stream_decoder(&stream_, kMost, LZMA_CONCATENATED) == LZMA_OK;
    }
    ~Xz() override { lzma_end(&stream_); }
    bool step(std::string_view& in, std::string& out, bool& done) override {
        if (!ready_)
            return false;
        out.resize(kPiece);
        stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
        stream_.avail_in = in.size();
        stream_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
        stream_.avail_out = out.size();
        const lzma_ret result = lzma_code(&stream_, in.empty() ? LZMA_FINISH : LZMA_RUN);
        in.remove_prefix(in.size() - stream_.avail_in);
        out.resize(out.size() - stream_.avail_out);
        done = result == LZMA_STREAM_END;
        return result == LZMA_OK || result == LZMA_STREAM_END || (result == LZMA_BUF_ERROR && !in.empty());
    }

private:
    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool ready_ = false;
};

TraceInput::TraceInput(const std::string& file) : name_(file == "-" ? "standard input" : file) {
    if (file == "-") {
        fd_ = dup(STDIN_FILENO);
    } else {
        fd_ = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat about {};
        if (fd_ >= 0 && fstat(fd_, &about) == 0 && S_ISDIR(about.st_mode)) {
            close(fd_);
            throw InputError(name_, 1, 1, "a folder is no recording");
        }
        if (fd_ >= 0)
            fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) & ~O_NONBLOCK);
    }
    if (fd_ < 0)
        throw InputError(name_, 1, 1, std::strerror(errno));
}

TraceInput::TraceInput(std::string name, std::string bytes) : name_(std::move(name)), given_(std::move(bytes)) {}

TraceInput::~TraceInput() {
    if (fd_ >= 0)
        close(fd_);
}

std::string_view TraceInput::raw() {
    if (fd_ < 0) {
        return std::exchange(givenAll_, true) ? std::string_view() : std::string_view(given_);
    }
    raw_.resize(Unpack::kPiece);
    if (waiting_) {
        constexpr int kAskedEvery = 200; // milliseconds
        pollfd ready{fd_, POLLIN, 0};
        while (poll(&ready, 1, kAskedEvery) <= 0)
            if (!waiting_())
                return {};
    }
    ssize_t n = 0;
    do
        n = ::read(fd_, raw_.data(), raw_.size());
    while (n < 0 && errno == EINTR);
    if (n < 0)
        throw InputError(name_, 1, 1, std::strerror(errno));
    return std::string_view(raw_).substr(0, static_cast<std::size_t>(n));
}

std::string_view TraceInput::peek() {
    if (!havePeeked_) {
        peeked_ = read();
        havePeeked_ = true;
    }
    return peeked_;
}

std::string_view TraceInput::read() {
    if (havePeeked_) {
        havePeeked_ = false;
        return peeked_;
    }
    if (!begun_) {
        begun_ = true;
        rawRest_ = raw();
        if (rawRest_.starts_with("\x1f\x8b"))
            unpack_ = std::make_unique<Inflate>();
        else if (rawRest_.starts_with("\x28\xb5\x2f\xfd"))
            unpack_ = std::make_unique<Zstd>();
        else if (rawRest_.starts_with(std::string_view("\xfd\x37zXZ\0", 6)))
            unpack_ = std::make_unique<Xz>();
    } else if (!unpack_) {
        rawRest_ = raw();
    }
    if (!unpack_)
        return rawRest_;
    bool done = false;
    for (;;) {
        if (rawRest_.empty() && !ended_) {
            rawRest_ = raw();
            ended_ = rawRest_.empty();
        }
        if (ended_ && (begunPart_ == false))
            return {};
        const std::size_t had = rawRest_.size();
        if (!unpack_->step(rawRest_, out_, done))
            throw InputError(name_, 1, 1, "what it is packed in is broken");
        begunPart_ = !done;
        if (!out_.empty())
            return out_;
        if (ended_ && had == rawRest_.size() && !done)
            throw InputError(name_, 1, 1, "it ends in the middle: what it is packed in is cut off");
        if (ended_ && done)
            return {};
    }
}

} // namespace mirrorscope
