// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/recording.h"

#include "base/hash.h"
#include "base/out_file.h"
#include "scenario/diagnostic.h"
#include "trace/dat_reader.h"
#include "trace/event_stream.h"
#include "trace/snapshot_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace mirrorscope {

namespace {
// The head of a session file: this, the version, the size of what follows, and its hash; the numbers with their lowest byte first.
constexpr std::string_view kMagic{"MIRRORTR", 8};
constexpr u64 kVersion = 2;
constexpr std::size_t kHead = 32;

void putNumber(std::string& to, u64 value) {
    for (unsigned i = 0; i < 8; ++i)
        to.push_back(static_cast<char>(value >> 8 * i));
}
u64 numberAt(std::string_view bytes, std::size_t at) {
    u64 value = 0;
    for (unsigned i = 0; i < 8; ++i)
        value |= u64{static_cast<u8>(bytes[at + i])} << 8 * i;
    return value;
}

TraceCounts readSession(TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn, bool& whole) {
    std::string bytes;
    for (std::string_view piece = input.read(); !piece.empty(); piece = input.read())
        bytes.append(piece);
    const auto refuse = [&](const std::string& what) { throw InputError(input.name(), 1, 1, what); };
    if (bytes.size() < kHead)
        refuse("a session file that ends in its head");
    if (const u64 version = numberAt(bytes, 8); version != kVersion)
        refuse("a session file of version " + std::to_string(version) + "; this program reads version " + std::to_string(kVersion));
    if (numberAt(bytes, 16) != bytes.size() - kHead || numberAt(bytes, 24) != hashBytes(bytes.data() + kHead, bytes.size() - kHead))
        refuse("a session file that was changed or cut off: its checksum is another");
    TraceInput packed(input.name(), bytes.substr(kHead));
    EventReader reader(names, sink);
    for (std::string_view piece = packed.read(); !piece.empty(); piece = packed.read()) {
        if (!reader.feed(piece))
            refuse("a session file whose events cannot be read");
        if (!goOn(reader.counts().events)) {
            whole = false;
            return reader.counts();
        }
    }
    if (!reader.finished())
        refuse("a session file that ends too early");
    return reader.counts();
}
} // namespace

std::string_view name(TraceFormat format) {
    constexpr std::array<std::string_view, 4> kNames{"text", "trace.dat", "session", "snapshot"};
    return kNames[static_cast<unsigned>(format)];
}

TraceFormat formatOf(std::string_view firstBytes) {
    return isTraceDat(firstBytes)           ? TraceFormat::Dat
           : firstBytes.starts_with(kMagic) ? TraceFormat::Session
           : isSnapshot(firstBytes)         ? TraceFormat::Snapshot
                                            : TraceFormat::Text;
}

bool looksLikeTrace(std::string_view firstBytes) {
    if (formatOf(firstBytes) != TraceFormat::Text)
        return true;
    if (firstBytes.starts_with("# tracer:") || firstBytes.starts_with("cpus="))
        return true;
    struct Any final : TraceSink {
        bool is = false;
        void event(const TraceEvent&) override { is = true; }
        void lost(const TraceLoss&) override {}
    } any;
    TraceNames names;
    TextReader reader(names, any);
    reader.feed(firstBytes.substr(0, 1 << 16));
    return any.is;
}

bool isTraceFile(const std::string& file) {
    if (file.ends_with(".yaml") || file.ends_with(".yml"))
        return false;
    try {
        TraceInput input(file);
        return looksLikeTrace(input.peek());
    } catch (const InputError&) {
        return false; // whoever reads it says why
    }
}

TraceRead readTrace(TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn) {
    TraceRead read;
    read.format = formatOf(input.peek());
    switch (read.format) {
    case TraceFormat::Dat: read.counts = readTraceDat(input, names, sink, [&](u64 events) { return read.whole = goOn(events); }); break;
    case TraceFormat::Session: read.counts = readSession(input, names, sink, goOn, read.whole); break;
    case TraceFormat::Snapshot:
        read.counts = readSnapshot(
            input, names, sink, [&](u64 events) { return read.whole = goOn(events); }, read.about);
        break;
    case TraceFormat::Text: {
        TextReader reader(names, sink);
        for (std::string_view piece = input.read(); !piece.empty() && read.whole; piece = input.read()) {
            reader.feed(piece);
            read.whole = goOn(reader.counts().events);
        }
        reader.finish();
        read.counts = reader.counts();
        break;
    }
    }
    read.counts.allCounted(); // also of what was stopped
    return read;
}

class SessionFileWriter::Out {
public:
    Out(std::string name, const TraceNames& names)
        : file(std::move(name)), out(file), writer(names, [this](std::string_view bytes) { pack(bytes, ZSTD_e_continue); }) {
        put(std::string(kHead, '\0'));
    }
    [[noreturn]] void fail() const { throw InputError(file, 1, 1, std::strerror(errno)); }
    void put(std::string_view bytes) {
        if (!out.write(bytes))
            fail();
    }
    void pack(std::string_view bytes, ZSTD_EndDirective how) {
        ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
        std::string packed(1 << 16, '\0');
        std::size_t left = 1;
        while (from.pos < from.size || (how == ZSTD_e_end && left != 0)) {
            ZSTD_outBuffer to{packed.data(), packed.size(), 0};
            left = ZSTD_compressStream2(stream.get(), &to, &from, how);
            if (ZSTD_isError(left) != 0)
                throw InputError(file, 1, 1, ZSTD_getErrorName(left));
            put(std::string_view(packed).substr(0, to.pos));
            XXH3_64bits_update(hash.get(), packed.data(), to.pos);
            size += to.pos;
        }
    }
    void finish(const TraceCounts& counts) {
        writer.finish(counts);
        pack({}, ZSTD_e_end);
        std::string head(kMagic);
        putNumber(head, kVersion);
        putNumber(head, size);
        putNumber(head, XXH3_64bits_digest(hash.get()));
        if (!out.writeFront(head) || !out.commit())
            fail();
    }

    struct FreeStream {
        void operator()(ZSTD_CCtx* stream_) const { ZSTD_freeCCtx(stream_); }
    };
    struct FreeHash {
        void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
    };
    std::string file;
    OutFile out;
    u64 size = 0;
    std::unique_ptr<ZSTD_CCtx, FreeStream> stream{ZSTD_createCCtx()};
    std::unique_ptr<XXH3_state_t, FreeHash> hash = [] {
        std::unique_ptr<XXH3_state_t, FreeHash> state(XXH3_createState());
        XXH3_64bits_reset(state.get());
        return state;
    }();
    EventWriter writer;
};

SessionFileWriter::SessionFileWriter(std::string file, const TraceNames& names) : out_(std::make_unique<Out>(std::move(file), names)) {}
SessionFileWriter::~SessionFileWriter() = default;
void SessionFileWriter::event(const TraceEvent& e) { out_->writer.event(e); }
void SessionFileWriter::lost(const TraceLoss& loss) { out_->writer.lost(loss); }
void SessionFileWriter::finish(const TraceCounts& counts) { out_->finish(counts); }

} // namespace mirrorscope
