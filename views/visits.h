// SPDX-License-Identifier: GPL-3.0-or-later
// What was open in this window: scenarios, what-ifs, ends and orders that were opened from them. Back and forward as in a browser, and a
// tree of what came of what, each with a name of its own, saved or thrown away.
#pragma once

#include "views/script/document.h"

#include <QObject>

#include <optional>
#include <vector>

namespace mirrorscope::views {

struct Visit {
    unsigned id = 0;
    unsigned from = 0; // that it was branched off; 0: none
    QString name;
    Document::Script script; // as it was left, what is unsaved included
    QString variant;         // of the scenario, as it was left; empty: as it stands
    quint64 position = 0;
    QString key; // of its script, once it was shown
};

class Visits : public QObject {
    Q_OBJECT
public:
    explicit Visits(QObject* parent = nullptr) : QObject(parent) {}
    // Another one is open now. What was forward of the one before is forgotten by the keys, not by the tree. The same file again is the
    // same visit. `branched`: it came of the present one.
    void open(const QString& name, const Document::Script& script, quint64 position, bool branched);
    // The present one is what is shown under that key.
    void own(const QString& key);
    // How the present one is left, if it is that script that is shown: another may be on its way, or was not to be read.
    void leave(const Document::Script& script, quint64 position, const QString& variant);
    // To one that was open before; the caller opens it.
    std::optional<Visit> back();
    std::optional<Visit> forward();
    std::optional<Visit> to(unsigned id);
    bool canBack() const { return at_ > 0; }
    bool canForward() const { return at_ + 1 < path_.size(); }
    // Nothing where there is none.
    const Visit* present() const;
    const Visit* find(unsigned id) const;
    const std::vector<Visit>& all() const { return all_; }
    void rename(unsigned id, const QString& name);
    // What came of it is of what it came from, then. The present one stays.
    void remove(unsigned id);

Q_SIGNALS:
    void changed();

private:
    Visit* mine(unsigned id);
    std::vector<Visit> all_;
    std::vector<unsigned> path_; // ids, in the order in which they were gone through
    std::size_t at_ = 0;
    unsigned last_ = 0;
};

} // namespace mirrorscope::views
