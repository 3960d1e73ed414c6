// SPDX-License-Identifier: GPL-3.0-or-later
// The colours of a scenario's text: keys, numbers, words of the language, comments; the prose of `about` and notes is prose, whatever
// stands in it.
#pragma once

#include "views/script/scintilla.h"
#include "views/theme/theme.h"

namespace mirrorscope::views {

class ScenarioLexer : public QsciLexerCustom {
    Q_OBJECT
public:
    enum Style { Text, Key, Comment, Number, Keyword, Prose };
    explicit ScenarioLexer(QObject* parent = nullptr) : QsciLexerCustom(parent) {}
    const char* language() const override { return "scenario"; }
    QString description(int style) const override;
    void styleText(int start, int end) override;
    void restyle(const Theme& theme, const QFont& mono);
    // Style by style, byte by byte: what a whole text looks like.
    static QByteArray stylesOf(const QByteArray& text);
};

} // namespace mirrorscope::views
