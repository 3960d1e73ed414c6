// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/debug/debugger.h"

namespace mirrorscope::views {

Debugger::Debugger(Context& context, QObject* parent) : QObject(parent), context_(context) {
    slice_.setInterval(0);
    connect(&slice_, &QTimer::timeout, this, &Debugger::more);
    connect(&context_, &Context::sessionChanged, this, &Debugger::sessionChanged);
    connect(&context_, &Context::positionChanged, this, [this] {
        // Who goes elsewhere by hand does not wait for the run any more.
        if (!moving_ && running()) {
            console_->cancel();
            slice_.stop();
        }
    });
}

void Debugger::sessionChanged() {
    slice_.stop();
    console_ = std::make_unique<Console>(*context_.session(), context_.stops());
    left_ = 0;
    if (context_.continues())
        return;
    script_.clear();
    Q_EMIT cleared();
}

void Debugger::run(const QString& line, bool stopsAtQuestions) {
    if (!console_)
        return;
    console_->cancel();
    slice_.stop();
    const QString text = line.trimmed();
    console_->select(context_.selection());
    console_->stopAtQuestions(stopsAtQuestions);
    // What was done by hand since the last line is a line, too.
    if (context_.position() != left_)
        script_ << QString("goto %1").arg(context_.position());
    left_ = context_.position();
    line_ = text;
    try {
        const std::string output = console_->execute(text.toStdString(), std::chrono::steady_clock::now() + kGuiSlice);
        if (!text.isEmpty())
            script_ << text;
        if (running())
            slice_.start();
        else
            finish(QString::fromStdString(output));
    } catch (const ConsoleError& error) {
        Q_EMIT said(text, QString::fromUtf8(error.what()), true);
    }
}

void Debugger::more() {
    const std::string output = console_->more(std::chrono::steady_clock::now() + kGuiSlice);
    if (running())
        return;
    slice_.stop();
    finish(QString::fromStdString(output));
}

void Debugger::finish(const QString& output) {
    const bool moved = context_.position() != left_;
    left_ = context_.position();
    // Where nobody is asked, the saved script would run past it.
    if (console_->asked() && moved)
        script_ << QString("goto %1").arg(left_);
    moving_ = true;
    if (moved)
        context_.wasMoved();
    moving_ = false;
    const auto& selected = console_->selected();
    if (selected && selected != context_.selection())
        context_.select(selected);
    context_.stopsWereChanged();
    Q_EMIT said(line_, output, false);
}

QStringList Debugger::complete(const QString& begun) const {
    QStringList words;
    if (console_)
        for (const std::string& word : console_->complete(begun.toStdString()))
            words << QString::fromStdString(word);
    return words;
}

QString Debugger::script() const { return script_.join('\n') + (script_.isEmpty() ? "" : "\n"); }

} // namespace mirrorscope::views
