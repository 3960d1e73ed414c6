// SPDX-License-Identifier: GPL-3.0-or-later
// A race, running of all equivalent orders only one.
#include "explore/explorer.h"
#include "explore/traces.h"

#include <utility>

namespace mirrorscope {

class Explorer::RaceWorld final : public TraceWorld {
public:
    RaceWorld(Explorer& explorer, std::size_t item, Race& race) : explorer_(explorer), item_(item), race_(race), at_{explorer.snapshot()} {}

    unsigned actors() const override { return race_.count(); }
    bool done(unsigned i) const override { return !race_.serves(i) && race_.done(i); }
    bool enabled(unsigned i) const override { return race_.enabled(i); }
    Footprint guard(unsigned i) override { return touchesOf(race_.awaited(i), 0); }
    // What RCU and the store buffers look at is a queue that others change.
    bool keepsGuard(unsigned i) const override { return !race_.serves(i); }
    Condition condition(unsigned i) override {
        settle();
        return race_.condition(i);
    }

    Footprint step(unsigned i) override {
        settle();
        const std::size_t before = race_.accesses(i).size();
        race_.save(i);
        explorer_.advance(item_, race_, at_.back(), path_, i);
        at_.push_back(explorer_.snapshot());
        return touchesOf(race_.accesses(i), before);
    }
    // Back only when it is asked for: a search pays for the distance, not for each micro-step of it.
    void takeBack() override {
        path_.pop_back();
        at_.pop_back();
    }

    void compared(u64 all) override { explorer_.heedCompared(all - std::exchange(compared_, all)); }

    bool triesAll() const override { return explorer_.inTop(path_.size()); }
    bool enters(bool last) override {
        isTask_ = explorer_.atCut(path_.size()) || (last && explorer_.inTop(path_.size()));
        return !isTask_ || explorer_.takeTask();
    }
    void left() override {
        if (explorer_.atCut(path_.size()))
            explorer_.taskDone();
    }
    void ended() override {
        explorer_.setSchedule(race_, path_);
        race_.over() ? explorer_.endOfRace(item_) : explorer_.deadlock(race_);
        if (isTask_)
            explorer_.taskDone();
    }
    void givenUp() override { explorer_.result_.redundant += explorer_.counts(path_.size()); }

private:
    void settle() { explorer_.goBack(race_, at_.back(), path_.size()); }
    static Footprint touchesOf(const AccessLog& log, std::size_t from) { return footprint(log.data() + from, log.data() + log.size()); }

    Explorer& explorer_;
    u64 compared_ = 0;
    std::size_t item_;
    Race& race_;
    std::vector<u16> path_;
    std::vector<Snapshot> at_; // of the machine: before the first micro-step of the path, and after each
    bool isTask_ = false;
};

void Explorer::raceByTraces(std::size_t item, Race& race) {
    RaceWorld world(*this, item, race);
    exploreTraces(world, options_.without);
}

} // namespace mirrorscope
