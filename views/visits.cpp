// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/visits.h"

#include <algorithm>

namespace mirrorscope::views {

Visit* Visits::mine(unsigned id) {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const Visit& v) { return v.id == id; });
    return found == all_.end() ? nullptr : &*found;
}

const Visit* Visits::find(unsigned id) const {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const Visit& v) { return v.id == id; });
    return found == all_.end() ? nullptr : &*found;
}

const Visit* Visits::present() const { return path_.empty() ? nullptr : find(path_[at_]); }

void Visits::open(const QString& name, const Document::Script& script, quint64 position, bool branched) {
    const unsigned from = branched && present() != nullptr ? present()->id : 0;
    unsigned id = 0;
    for (const Visit& v : all_)
        if (!script.file.isEmpty() && v.script.file == script.file)
            id = v.id;
    if (id == 0) {
        id = ++last_;
        all_.push_back({id, from, name, script, {}, position, {}});
    } else {
        mine(id)->script = script;
        mine(id)->position = position;
    }
    if (path_.empty() || path_[at_] != id) {
        if (!path_.empty())
            path_.resize(at_ + 1);
        path_.push_back(id);
        at_ = path_.size() - 1;
    }
    Q_EMIT changed();
}

void Visits::leave(const Document::Script& script, quint64 position, const QString& variant) {
    if (Visit* v = path_.empty() ? nullptr : mine(path_[at_]); v != nullptr && v->key == script.key) {
        v->script = script;
        v->position = position;
        v->variant = variant;
    }
}

void Visits::own(const QString& key) {
    if (Visit* v = path_.empty() ? nullptr : mine(path_[at_])) {
        v->key = key;
        v->script.key = key;
    }
}

std::optional<Visit> Visits::back() {
    if (!canBack())
        return std::nullopt;
    --at_;
    Q_EMIT changed();
    return *present();
}

std::optional<Visit> Visits::forward() {
    if (!canForward())
        return std::nullopt;
    ++at_;
    Q_EMIT changed();
    return *present();
}

std::optional<Visit> Visits::to(unsigned id) {
    const Visit* wanted = find(id);
    if (wanted == nullptr || (present() != nullptr && present()->id == id))
        return std::nullopt;
    const Visit copy = *wanted;
    path_.resize(at_ + 1);
    path_.push_back(id);
    at_ = path_.size() - 1;
    Q_EMIT changed();
    return copy;
}

void Visits::rename(unsigned id, const QString& name) {
    if (Visit* v = mine(id); v != nullptr && !name.trimmed().isEmpty())
        v->name = name.trimmed();
    Q_EMIT changed();
}

void Visits::remove(unsigned id) {
    if (present() != nullptr && present()->id == id)
        return;
    const Visit* gone = find(id);
    if (gone == nullptr)
        return;
    const unsigned parent = gone->from;
    std::erase_if(all_, [&](const Visit& v) { return v.id == id; });
    for (Visit& v : all_)
        if (v.from == id)
            v.from = parent;
    // And from the way, where two of the same may then meet.
    std::vector<unsigned> path;
    std::size_t at = 0;
    for (std::size_t i = 0; i < path_.size(); ++i) {
        if (path_[i] != id && (path.empty() || path.back() != path_[i]))
            path.push_back(path_[i]);
        if (i == at_)
            at = path.size() - 1;
    }
    path_ = std::move(path);
    at_ = at;
    Q_EMIT changed();
}

} // namespace mirrorscope::views
