// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/snapshot_reader.h"

#include "kvm/spte.h"
#include "kvm/types.h"
#include "scenario/diagnostic.h"
#include "trace/input.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mirrorscope {

namespace {
using Json = nlohmann::json;

// The bytes of a file, and how far it was read.
struct Bytes {
    explicit Bytes(TraceInput& from) : input(from) { next(); }
    void next() {
        if (!rest.empty()) {
            column = rest.front() == '\n' ? 0 : column + 1;
            line += rest.front() == '\n' ? 1 : 0;
            rest.remove_prefix(1);
        }
        if (rest.empty() && !ended) {
            rest = input.read();
            ended = rest.empty();
        }
    }
    TraceInput& input;
    std::string_view rest;
    unsigned line = 1, column = 0;
    bool ended = false;
};

class ByteIterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;
    ByteIterator() = default;
    explicit ByteIterator(Bytes& bytes) : bytes_(&bytes) {}
    reference operator*() const { return bytes_->rest.front(); }
    ByteIterator& operator++() {
        bytes_->next();
        return *this;
    }
    ByteIterator operator++(int) {
        ByteIterator old = *this;
        ++*this;
        return old;
    }
    bool atEnd() const { return bytes_ == nullptr || bytes_->rest.empty(); }
    friend bool operator==(const ByteIterator& a, const ByteIterator& b) { return a.atEnd() == b.atEnd(); }
    friend bool operator!=(const ByteIterator& a, const ByteIterator& b) { return !(a == b); }

private:
    Bytes* bytes_ = nullptr;
};

struct Root {
    u64 pfn = 0, level = 4;
    bool mirror = false, invalid = false, smm = false;
};
struct Entry {
    u32 number = 0; // in its list, from 1
    u64 gfn = 0, level = 0, raw = 0;
};
using Entries = std::unordered_map<u64, std::vector<Entry>>; // by the frame of their root

constexpr std::size_t kMostEntries = 64 << 20, kMostRoots = 4096, kLongestWord = 200;

// What is of use of the state, while it is parsed: nothing else is kept.
class Reading final : public nlohmann::json_sax<Json> {
public:
    explicit Reading(Bytes& bytes) : bytes_(bytes) {}

    std::vector<Root> roots;
    std::array<Entries, 2> trees; // direct, mirror
    std::map<std::string, std::string> snapshot;
    std::string file;
    u64 position = 0;
    bool hasTrees = false, ofKernel = false;

    bool null() override { return value("null", std::nullopt); }
    bool boolean(bool is) override { return value(is ? "true" : "false", is); }
    bool number_integer(number_integer_t) override { wrong("a negative number"); }
    bool number_unsigned(number_unsigned_t number) override { return value(std::to_string(number), number); }
    bool number_float(number_float_t, const string_t& text) override { return value(text, std::nullopt); }
    bool string(string_t& text) override {
        std::optional<u64> number;
        if (text.starts_with("0x")) {
            u64 n = 0;
            const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), n, 16);
            if (error == std::errc() && end == text.data() + text.size())
                number = n;
        }
        return value(text, number);
    }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override {
        open();
        if (in("roots") && path_.size() == 3) {
            if (roots.size() == kMostRoots)
                wrong("more roots than a VM has");
            roots.emplace_back();
        }
        if (inEntry()) {
            if (++entry_.number == kMostEntries)
                wrong("more entries than are read");
            told_ = 0;
        }
        hasTrees |= in("trees");
        return true;
    }
    bool end_object() override {
        if (inEntry()) {
            if (told_ != kAll)
                wrong("an entry is `{\"root\", \"gfn\", \"level\", \"raw\"}`");
            trees[path_[2] == "mirror"][root_].push_back(entry_);
        }
        path_.pop_back();
        return true;
    }
    bool start_array(std::size_t) override {
        open();
        if (path_.size() == 3) // a tree
            entry_.number = 0;
        return true;
    }
    bool end_array() override {
        path_.pop_back();
        return true;
    }
    bool key(string_t& name) override {
        key_ = name;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
        // "[json.exception.parse_error.101] parse error at line 1, column 3: syntax error …"
        const std::string what = e.what();
        const std::size_t at = what.find(": ", what.find("column"));
        wrong(at == std::string::npos ? what : what.substr(at + 2));
    }

private:
    static constexpr unsigned kAll = 15;
    [[noreturn]] void wrong(const std::string& what) const {
        throw InputError(bytes_.input.name(), bytes_.line, std::max(1u, bytes_.column), what);
    }
    bool in(std::string_view name) const { return path_.size() > 1 && path_[1] == name; }
    bool inEntry() const { return path_.size() == 4 && in("trees") && (path_[2] == "direct" || path_[2] == "mirror"); }
    void open() {
        constexpr std::size_t kDeepest = 64;
        if (path_.size() == kDeepest)
            wrong("more levels than a state has");
        path_.push_back(path_.empty() ? "" : key_);
    }
    // `number`: what a number or a hexadecimal string says.
    bool value(const std::string& text, std::optional<u64> number) {
        const auto needed = [&] {
            if (!number)
                wrong(fmt::format("`{}` is a number, not `{}`", key_, text.substr(0, kLongestWord)));
            return *number;
        };
        if (path_.size() == 1 && key_ == "file")
            file = text.substr(0, kLongestWord);
        else if (path_.size() == 1 && key_ == "position")
            position = needed();
        else if (path_.size() == 2 && in("machine"))
            ofKernel |= key_ == "recorded";
        else if (path_.size() == 2 && in("snapshot"))
            snapshot[key_.substr(0, kLongestWord)] = text.substr(0, kLongestWord);
        else if (path_.size() == 3 && in("roots") && !roots.empty())
            ofRoot(text, needed);
        else if (inEntry())
            ofEntry(needed);
        return true;
    }
    template <class Needed>
    void ofRoot(const std::string& text, const Needed& needed) {
        Root& root = roots.back();
        if (key_ == "tree") {
            if (text != "direct" && text != "mirror")
                wrong("a root's tree is `direct` or `mirror`, not `" + text + "`");
            root.mirror = text == "mirror";
        } else if (key_ == "pfn")
            root.pfn = needed();
        else if (key_ == "level") {
            root.level = needed();
            if (root.level != 4 && root.level != 5)
                wrong("a root is of level 4 or 5");
        } else if (key_ == "invalid")
            root.invalid = text == "true";
        else if (key_ == "smm")
            root.smm = text == "true";
    }
    template <class Needed>
    void ofEntry(const Needed& needed) {
        constexpr std::array<std::string_view, 4> kKeys{"root", "gfn", "level", "raw"};
        const std::array<u64*, 4> words{&root_, &entry_.gfn, &entry_.level, &entry_.raw};
        for (unsigned i = 0; i < kKeys.size(); ++i)
            if (key_ == kKeys[i]) {
                *words[i] = needed();
                told_ |= 1u << i;
            }
        if (key_ == "level" && (entry_.level < 1 || entry_.level > 5))
            wrong(fmt::format("there is no level {}", entry_.level));
        if (key_ == "gfn" && entry_.gfn >> 40 != 0)
            wrong(fmt::format("there is no gfn {:#x}", entry_.gfn));
    }

    Bytes& bytes_;
    std::vector<std::string> path_; // of what is open: by which key it was begun
    std::string key_;
    Entry entry_; // that is being read, with its root, and what of it was told
    u64 root_ = 0;
    unsigned told_ = 0;
};

// Gives a state's entries as events.
class Playing {
public:
    Playing(const std::string& file, TraceSink& sink, TraceCounts& counts) : file_(file), sink_(sink), counts_(counts) {}

    // `shared`: a TD's root for what is not in the mirror.
    void play(const Root& root, const std::vector<Entry>& entries, bool shared, u32 task, const std::function<bool(u64)>& goOn) {
        task_ = task;
        line_ = 0;
        const u64 alias = shared ? gfnDirectBits(static_cast<unsigned>(root.level)) : 0;
        const u64 role = role::kBase | (root.mirror ? role::kMirror : 0) | (root.smm ? role::kSmm : 0);
        give({.kind = TraceKind::GetPage, .level = static_cast<u8>(root.level), .flags = TraceEvent::kNew, .a = role | root.level});
        std::array<u64, 6> table{}, base{}; // of each level, the one that is being read
        table[root.level] = root.pfn;
        for (const Entry& entry : entries) {
            line_ = entry.number;
            const Level level = levelOf(static_cast<unsigned>(entry.level));
            const u64 first = entry.level == root.level ? 0 : entry.gfn & ~(512 * pagesPer(level) - 1);
            if (entry.level > root.level || table[entry.level] == 0 || base[entry.level] != first)
                throw InputError(
                    file_, 1, 1,
                    fmt::format("entry {} (gfn {:#x}, level {}): no entry before it leads to its table", line_, entry.gfn, entry.level));
            const bool leads = spte::isTable(entry.raw, level);
            if (leads) {
                give({.kind = TraceKind::GetPage,
                      .level = static_cast<u8>(entry.level - 1),
                      .flags = TraceEvent::kNew,
                      .gfn = entry.gfn,
                      .a = role | (entry.level - 1)});
                table[entry.level - 1] = ept::pfnOf(entry.raw).v;
                base[entry.level - 1] = entry.gfn;
            } else if (entry.level > 1) {
                table[entry.level - 1] = 0;
            }
            give({.kind = TraceKind::SpteChanged,
                  .level = static_cast<u8>(entry.level),
                  .asId = root.smm,
                  .gfn = entry.gfn,
                  .a = spte::kNonpresent,
                  .b = entry.raw,
                  .c = table[entry.level] << 12 | u64{tableIndex(entry.gfn | alias, level)} << 3});
            if (!goOn(counts_.events))
                return;
        }
    }
    // All roots that are there by now.
    void invalidate() { give({.kind = TraceKind::ZapAllFast}); }

private:
    void give(TraceEvent event) {
        event.line = std::max(1u, line_);
        event.task = task_;
        event.vcpu = 0xffff;
        counts_.count(event.kind);
        sink_.event(event);
    }
    const std::string& file_;
    TraceSink& sink_;
    TraceCounts& counts_;
    u32 task_ = 0;
    u32 line_ = 0;
};

std::string aboutText(const Reading& state) {
    const auto of = [&](const char* key) {
        const auto found = state.snapshot.find(key);
        return found == state.snapshot.end() ? std::string() : found->second;
    };
    std::string out = "**A snapshot**, not a recording: the tables of one VM at one moment";
    if (!of("taken").empty())
        out += ", " + of("taken");
    if (!of("kernel").empty())
        out += fmt::format(", of Linux {}{}", of("kernel"), of("vendor").empty() ? "" : " (" + of("vendor") + ")");
    if (!of("pid").empty())
        out += fmt::format(", process {}{}", of("pid"), of("vcpus").empty() ? "" : " with " + of("vcpus") + " vCPUs");
    if (!of("by").empty())
        out += ", read by " + of("by");
    return out +
           ". Its positions are the entries in the order in which they were read. What was there before is not told, nor what the CPUs "
           "have cached.\n";
}
} // namespace

bool isSnapshot(std::string_view firstBytes) {
    const std::size_t first = firstBytes.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && firstBytes[first] == '{' && firstBytes.find("\"trees\"") != std::string_view::npos &&
           firstBytes.find("\"script\"") == std::string_view::npos;
}

TraceCounts readSnapshot(TraceInput& input, TraceNames& names, TraceSink& sink, const std::function<bool(u64)>& goOn, std::string& about) {
    Bytes bytes(input);
    Reading state(bytes);
    Json::sax_parse(ByteIterator(bytes), ByteIterator(), &state);
    if (!state.hasTrees)
        throw InputError(input.name(), 1, 1, "no `trees` are in it");
    if (!state.ofKernel)
        throw InputError(input.name(), 1, 1,
                         fmt::format("this is the state of a run at position {}: open {} and go there", state.position,
                                     state.file.empty() ? "its scenario" : state.file));
    for (const bool mirror : {false, true})
        for (const auto& [frame, entries] : state.trees[mirror])
            if (std::none_of(state.roots.begin(), state.roots.end(),
                             [mirror, frame = frame](const Root& root) { return root.mirror == mirror && root.pfn == frame; }))
                throw InputError(input.name(), 1, 1,
                                 fmt::format("entry {} of `{}` is of root {:#x}, which is not in `roots`", entries.front().number,
                                             mirror ? "mirror" : "direct", frame));
    about = aboutText(state);
    TraceCounts counts;
    const auto pid = state.snapshot.find("pid");
    u32 number = 0;
    if (pid != state.snapshot.end())
        std::from_chars(pid->second.data(), pid->second.data() + pid->second.size(), number);
    Playing playing(input.name(), sink, counts);
    const auto ofTd = [](const Root& root) { return root.mirror; };
    const bool td = std::any_of(state.roots.begin(), state.roots.end(), ofTd);
    std::stable_partition(state.roots.begin(), state.roots.end(), ofTd);
    // Roots that are no longer in use come first, since those that are there become invalid together. A task that makes two makes a TD's.
    for (const bool invalid : {true, false}) {
        for (std::size_t i = 0; i < state.roots.size(); ++i)
            if (const Root& root = state.roots[i]; root.invalid == invalid)
                // Those of a root that stands in the list twice are given once.
                playing.play(root, std::exchange(state.trees[root.mirror][root.pfn], {}), td && !root.mirror,
                             names.task(td || i == 0 ? "snapshot" : fmt::format("root {}", i), number), goOn);
        if (invalid && std::any_of(state.roots.begin(), state.roots.end(), [](const Root& root) { return root.invalid; }))
            playing.invalidate();
    }
    return counts;
}

} // namespace mirrorscope
