// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/stops.h"
#include "scenario/runner.h"

#include "tdx/module/leaves.h"

#include <algorithm>

namespace mirrorscope {

unsigned StopPoints::add(StopPoint point) {
    point.id = ++last_;
    points_.push_back(std::move(point));
    return last_;
}

bool StopPoints::remove(unsigned id) {
    return std::erase_if(points_, [&](const StopPoint& p) { return p.id == id; }) != 0;
}

StopPoint* StopPoints::find(unsigned id) {
    const auto found = std::find_if(points_.begin(), points_.end(), [&](const StopPoint& p) { return p.id == id; });
    return found == points_.end() ? nullptr : &*found;
}

void StopPoints::moveToLine(unsigned id, unsigned line) {
    StopPoint* point = find(id);
    if (point == nullptr)
        return;
    const std::string was = "line " + std::to_string(point->line);
    if (point->text.starts_with(was))
        point->text = "line " + std::to_string(line) + point->text.substr(was.size());
    point->line = line;
}

const StopPoint* StopPoints::atLine(unsigned line) const {
    const auto found =
        std::find_if(points_.begin(), points_.end(), [&](const StopPoint& p) { return p.kind == StopPoint::Kind::Line && p.line == line; });
    return found == points_.end() ? nullptr : &*found;
}

const StopPoint* StopPoints::atPlace(Place place) const {
    const auto found = std::find_if(points_.begin(), points_.end(),
                                    [&](const StopPoint& p) { return p.kind == StopPoint::Kind::Word && p.place == place; });
    return found == points_.end() ? nullptr : &*found;
}

std::span<const std::string_view> stopLeaves() { return leafNames(); }

bool canStop(const Session& session, const StopPoint& point) {
    return point.kind != StopPoint::Kind::Line || !session.startsOfLine(point.line).empty();
}

std::span<const u64> Session::startsOfLine(unsigned line) const {
    const auto found = lineStarts_.find(line);
    return found == lineStarts_.end() ? std::span<const u64>() : std::span<const u64>(found->second);
}

std::optional<unsigned> Session::stepLineOf(unsigned line) const {
    // The steps end where the next key of the top level begins.
    const auto above = lineStarts_.upper_bound(line);
    if (above == lineStarts_.begin())
        return std::nullopt;
    const unsigned found = std::prev(above)->first;
    unsigned at = 1;
    for (std::size_t begin = 0; begin < scenario_.source.size() && at <= line; ++at) {
        const std::size_t end = std::min(scenario_.source.find('\n', begin), scenario_.source.size());
        const char first = begin < end ? scenario_.source[begin] : ' ';
        if (at > found && std::isspace(static_cast<unsigned char>(first)) == 0 && first != '#' && first != '-')
            return std::nullopt;
        begin = end + 1;
    }
    return found;
}

StopSearch::StopSearch(Session& session, const StopPoints& points, bool back, Halts halts, std::optional<u64> from)
    : session_(session), halts_(halts == Halts::None     ? std::span<const u64>()
                                : halts == Halts::Pauses ? std::span<const u64>(session.pauses())
                                                         : std::span<const u64>(session.halts())),
      back_(back), here_(session.position()), from_(from.value_or(here_)) {
    for (const StopPoint& point : points.all()) {
        if (!point.enabled)
            continue;
        points_.push_back(point);
        counts_ |= point.nth != 0;
        scans_ |= point.kind != StopPoint::Kind::Line;
        if (point.kind == StopPoint::Kind::Line) {
            const auto starts = session.startsOfLine(point.line);
            fixed_.insert(fixed_.end(), starts.begin(), starts.end());
        }
    }
    fixed_.insert(fixed_.end(), halts_.begin(), halts_.end());
    std::sort(fixed_.begin(), fixed_.end());
    fixed_.erase(std::unique(fixed_.begin(), fixed_.end()), fixed_.end());
    seen_.assign(points_.size(), 0);
    hit_.position = back ? 0 : session.end();
    // How often one was hit is known from the beginning of the run on.
    next_ = counts_ ? 0 : back ? from_ : from_ + 1;
    if (back && !counts_ && next_ > 0)
        --next_;
}

std::optional<StopHit> StopSearch::at(u64 position) {
    Machine& machine = session_.machineToRead();
    std::optional<StopHit> hit;
    const auto condition = [&](const StopPoint& point, u64 n) {
        if (point.condition.empty())
            return true;
        if (n >= session_.end())
            return false;
        machine.seek(n + 1);
        return session_.matches(point.condition, n);
    };
    for (std::size_t i = 0; i < points_.size(); ++i) {
        const StopPoint& point = points_[i];
        bool fits = false;
        if (point.kind == StopPoint::Kind::Line) {
            const auto starts = session_.startsOfLine(point.line);
            fits = std::binary_search(starts.begin(), starts.end(), position) && condition(point, position);
        } else if (position > 0) {
            const u64 n = position - 1;
            machine.seek(position);
            if (point.kind == StopPoint::Kind::Event)
                fits = session_.matches(point.filter, n);
            else
                machine.forEachChange(n, [&](Place place, u64) { fits |= place == point.place; });
            fits = fits && condition(point, n);
        }
        if (fits && (point.nth == 0 || ++seen_[i] == point.nth) && !hit)
            hit = StopHit{position, point.id, false};
    }
    if (!hit && std::binary_search(halts_.begin(), halts_.end(), position))
        hit = StopHit{position, 0, true};
    return hit;
}

bool StopSearch::more(std::chrono::steady_clock::time_point until) {
    Machine& machine = session_.machineToRead();
    constexpr unsigned kClock = 64;
    bool done = false;
    for (unsigned looked = 1; !done; ++looked) {
        if (looked % kClock == 0 && std::chrono::steady_clock::now() > until)
            break;
        const bool forwards = !back_ || counts_;
        // Where nothing but lines and pauses stops, from one to the next.
        if (!scans_) {
            const auto above = std::lower_bound(fixed_.begin(), fixed_.end(), next_);
            if (forwards)
                next_ = above == fixed_.end() ? session_.end() + 1 : *above;
            else if (above == fixed_.end() || *above != next_)
                next_ = above == fixed_.begin() ? 0 : *std::prev(above);
        }
        if (forwards ? next_ > session_.end() || (back_ && next_ >= from_) : next_ == 0) {
            done = true;
            break;
        }
        const auto found = at(next_);
        if (found && back_ && next_ < from_) {
            hit_ = *found;
            done = !counts_;
        } else if (found && !back_ && next_ > from_) {
            hit_ = *found;
            done = true;
        }
        next_ += forwards ? 1 : ~u64{0};
    }
    machine.seek(here_);
    return done;
}

StopHit StopSearch::toEnd() {
    while (!more(std::chrono::steady_clock::time_point::max())) {
    }
    return hit_;
}

} // namespace mirrorscope
