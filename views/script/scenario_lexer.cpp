// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/script/scenario_lexer.h"

#include "scenario/complete.h"

#include <cctype>

namespace mirrorscope::views {

namespace {
bool isWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.'; }

int indentOf(const QByteArray& text, int begin, int end) {
    int at = begin;
    while (at < end && text[at] == ' ')
        ++at;
    return at == end ? -1 : at - begin;
}

bool isNumber(const QByteArray& word) {
    if (word.isEmpty() || std::isdigit(static_cast<unsigned char>(word[0])) == 0)
        return false;
    const bool hex = word.startsWith("0x");
    for (int i = hex ? 2 : 1; i < word.size(); ++i) {
        const char c = word[i];
        const bool unit = i + 1 == word.size() && QByteArray("KMGT").contains(c);
        if (!unit && (hex ? std::isxdigit(static_cast<unsigned char>(c)) == 0 : std::isdigit(static_cast<unsigned char>(c)) == 0))
            return false;
    }
    return true;
}
} // namespace

QString ScenarioLexer::description(int style) const {
    constexpr const char* kNames[] = {"text", "key", "comment", "number", "keyword", "prose"};
    return style >= 0 && style <= Prose ? QString(kNames[style]) : QString();
}

QByteArray ScenarioLexer::stylesOf(const QByteArray& text) {
    QByteArray styles(text.size(), static_cast<char>(Text));
    const auto fill = [&](int from, int to, Style style) {
        std::fill(styles.begin() + from, styles.begin() + to, static_cast<char>(style));
    };
    int prose = -1; // a block of text lasts as long as lines stand further in than its key
    const auto size = static_cast<int>(text.size());
    for (int begin = 0; begin < size;) {
        int end = static_cast<int>(text.indexOf('\n', begin));
        if (end < 0)
            end = size;
        const int indent = indentOf(text, begin, end);
        if (prose >= 0 && (indent < 0 || indent > prose)) {
            fill(begin, end, Prose);
            begin = end + 1;
            continue;
        }
        prose = -1;
        bool isText = false; // behind `note:` a sentence follows
        for (int at = begin; at < end;) {
            const char c = text[at];
            if (c == '#' && (at == begin || text[at - 1] == ' ')) {
                fill(at, end, Comment);
                break;
            }
            if (c == '"' || c == '\'') {
                int close = static_cast<int>(text.indexOf(c, at + 1));
                close = close < 0 || close >= end ? end : close + 1;
                fill(at, close, Prose);
                at = close;
                continue;
            }
            if (!isWord(c)) {
                ++at;
                continue;
            }
            int to = at;
            while (to < end && isWord(text[to]))
                ++to;
            const QByteArray word = text.mid(at, to - at);
            const bool key = to < end && text[to] == ':' && (to + 1 == end || text[to + 1] == ' ');
            if (key && !isText) {
                fill(at, to, Key);
                const QByteArray rest = text.mid(to + 1, end - to - 1).trimmed();
                if (rest == "|" || rest == ">" || rest == "|-" || rest == ">-")
                    prose = indent;
                const bool sentence = word == "note" || word == "title" || word == "reference" || word == "why";
                // In a flow mapping it ends somewhere before the line does.
                const bool inFlow = text.mid(begin, at - begin).contains('{');
                if (sentence && !inFlow && !rest.isEmpty() && rest[0] != '"' && rest[0] != '|' && rest[0] != '>') {
                    isText = true;
                    fill(to + 1, end, Prose);
                    const int comment = static_cast<int>(text.indexOf(" #", to + 1));
                    if (comment >= 0 && comment < end)
                        fill(comment, end, Comment);
                    break;
                }
            } else if (isNumber(word)) {
                fill(at, to, Number);
            } else if (!helpOn(std::string_view(word.constData(), static_cast<std::size_t>(word.size()))).empty()) {
                fill(at, to, Keyword);
            }
            at = to;
        }
        begin = end + 1;
    }
    return styles;
}

void ScenarioLexer::styleText(int start, int end) {
    if (editor() == nullptr)
        return;
    // From the last line before that stands at the left edge: what is above it is not prose that reaches down.
    const QByteArray all = editor()->text().toUtf8();
    int from = std::min(start, static_cast<int>(all.size()));
    while (from > 0 && !(all[from - 1] == '\n' && from < all.size() && all[from] != ' ' && all[from] != '\n'))
        --from;
    const QByteArray styles = stylesOf(all.mid(from, std::min(end, static_cast<int>(all.size())) - from));
    startStyling(from);
    for (qsizetype at = 0; at < styles.size();) {
        qsizetype to = at;
        while (to < styles.size() && styles[to] == styles[at])
            ++to;
        setStyling(static_cast<int>(to - at), styles[at]);
        at = to;
    }
}

void ScenarioLexer::restyle(const Theme& theme, const QFont& mono) {
    setDefaultFont(mono);
    setFont(mono);
    setDefaultPaper(theme.base);
    setPaper(theme.base);
    setDefaultColor(theme.text);
    setColor(theme.text);
    setColor(theme.accent, Key);
    setColor(theme.dim, Comment);
    setColor(theme.dark ? QColor("#ff9a57") : QColor("#9a3b00"), Number);
    setColor(theme.dark ? QColor("#cc79a7") : QColor("#8a3f70"), Keyword);
}

} // namespace mirrorscope::views
