// SPDX-License-Identifier: GPL-3.0-or-later
#include "scenario/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <unordered_set>

#include <sys/stat.h>

namespace mirrorscope {

namespace {

constexpr std::size_t kMaxBytes = 16u << 20;
constexpr unsigned kMaxDepth = 64;

class TreeBuilder final : public YAML::EventHandler {
public:
    explicit TreeBuilder(std::string file) : file_(std::move(file)) {}

    YamlNode root;

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        checkAnchor(mark, anchor);
        add(node(mark, YamlNode::Kind::Null));
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { fail(mark, "an alias is not part of the scenario language"); }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
        checkAnchor(mark, anchor);
        checkTag(mark, tag);
        YamlNode n = node(mark, YamlNode::Kind::Scalar);
        n.text = value;
        n.quoted = tag == "!";
        add(std::move(n));
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, YamlNode::Kind::Sequence);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
        open(mark, tag, anchor, YamlNode::Kind::Map);
    }
    void OnMapEnd() override { close(); }

    [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what) const {
        throw InputError(file_, static_cast<unsigned>(mark.line) + 1, static_cast<unsigned>(mark.column) + 1, what);
    }

private:
    struct Open {
        YamlNode node;
        std::vector<YamlNode> key; // of a map: the key whose value is awaited
        std::unordered_set<std::string> keys;
    };

    YamlNode node(const YAML::Mark& mark, YamlNode::Kind kind) const {
        YamlNode n;
        n.kind = kind;
        n.line = static_cast<unsigned>(mark.line) + 1;
        n.column = static_cast<unsigned>(mark.column) + 1;
        return n;
    }
    void checkAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
        if (anchor != 0)
            fail(mark, "an anchor is not part of the scenario language");
    }
    void checkTag(const YAML::Mark& mark, const std::string& tag) const {
        if (!tag.empty() && tag != "?" && tag != "!")
            fail(mark, "the tag " + tag + " is not part of the scenario language");
    }
    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
        checkAnchor(mark, anchor);
        checkTag(mark, tag);
        if (stack_.size() >= kMaxDepth)
            fail(mark, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
        stack_.push_back({node(mark, kind), {}, {}});
    }
    void close() {
        YamlNode done = std::move(stack_.back().node);
        stack_.pop_back();
        add(std::move(done));
    }
    void add(YamlNode n) {
        if (stack_.empty()) {
            root = std::move(n);
            return;
        }
        Open& parent = stack_.back();
        if (parent.node.kind == YamlNode::Kind::Sequence) {
            parent.node.items.push_back(std::move(n));
        } else if (parent.key.empty()) {
            if (n.kind != YamlNode::Kind::Scalar)
                throw InputError(file_, n.line, n.column, "a key must be a plain word");
            if (!parent.keys.insert(n.text).second)
                throw InputError(file_, n.line, n.column, "the key `" + n.text + "` stands twice in one mapping");
            parent.key.push_back(std::move(n));
        } else {
            parent.node.entries.emplace_back(std::move(parent.key.back()), std::move(n));
            parent.key.clear();
        }
    }

    std::string file_;
    std::vector<Open> stack_;
};

// Rejects what would cost the library memory or stack before it is asked: the depth of brackets and of block lists.
void checkBytes(const std::string& file, const std::string& text) {
    unsigned line = 1, column = 0, depth = 0, dashes = 0;
    bool startOfLine = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        ++column;
        if (c == '\n') {
            ++line;
            column = 0;
            dashes = 0;
            startOfLine = true;
            continue;
        }
        if (c < 0x20 && c != '\t' && c != '\r')
            throw InputError(file, line, column, "not a text file: byte " + std::to_string(c));
        if (startOfLine && (c == '-' || c == '?' || c == ' ')) {
            if (c != ' ' && ++dashes > kMaxDepth)
                throw InputError(file, line, column, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
        } else {
            startOfLine = false;
        }
        if (c == '[' || c == '{') {
            if (++depth > 4 * kMaxDepth)
                throw InputError(file, line, column, "nested deeper than " + std::to_string(kMaxDepth) + " levels");
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
}

} // namespace

YamlNode::YamlNode() = default;
YamlNode::~YamlNode() = default;
YamlNode::YamlNode(const YamlNode&) = default;
YamlNode::YamlNode(YamlNode&&) noexcept = default;
YamlNode& YamlNode::operator=(const YamlNode&) = default;
YamlNode& YamlNode::operator=(YamlNode&&) noexcept = default;

const YamlNode* YamlNode::find(std::string_view key) const {
    for (const auto& [k, v] : entries)
        if (k.text == key)
            return &v;
    return nullptr;
}

std::string_view YamlNode::kindName() const {
    switch (kind) {
    case Kind::Null: return "nothing";
    case Kind::Scalar: return "a value";
    case Kind::Sequence: return "a list";
    case Kind::Map: return "a mapping";
    }
    return "?";
}

YamlNode parseYaml(const std::string& file, const std::string& text) {
    if (text.find_first_not_of(" \t\r\n") == std::string::npos)
        throw InputError(file, 1, 1, "the file is empty; a scenario begins with `mirrorscope: 1`");
    checkBytes(file, text);
    std::istringstream stream(text);
    TreeBuilder builder(file);
    try {
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder))
            throw InputError(file, 1, 1, "no document; a scenario begins with `mirrorscope: 1`");
        const YamlNode first = std::move(builder.root);
        builder.root = {};
        if (parser.HandleNextDocument(builder))
            throw InputError(file, builder.root.line, builder.root.column, "a second document; a scenario is one");
        return first;
    } catch (const YAML::Exception& error) {
        const auto line = error.mark.is_null() ? 0 : error.mark.line;
        const auto column = error.mark.is_null() ? 0 : error.mark.column;
        throw InputError(file, static_cast<unsigned>(line) + 1, static_cast<unsigned>(column) + 1, "not YAML: " + error.msg);
    }
}

std::string readFile(const std::string& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0)
        throw InputError(file, 1, 1, std::string("cannot be read: ") + std::strerror(errno));
    if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        throw InputError(file, 1, 1, "is not a file");
    std::ifstream stream(file, std::ios::binary);
    std::string text;
    char block[1 << 16];
    while (stream.read(block, sizeof block) || stream.gcount() > 0) {
        text.append(block, static_cast<std::size_t>(stream.gcount()));
        if (text.size() > kMaxBytes)
            throw InputError(file, 1, 1, "larger than 16M; a scenario is a small text file");
    }
    if (!stream.eof() && stream.fail())
        throw InputError(file, 1, 1, "cannot be read");
    return text;
}

} // namespace mirrorscope
