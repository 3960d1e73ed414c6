// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/judge.h"

#include "scenario/diagnostic.h"
#include "trace/order.h"

#include <chrono>

namespace mirrorscope {

namespace {
// Two who want the same events.
class Tee final : public TraceSink {
public:
    Tee(TraceSink& first, TraceSink* second) : first_(first), second_(second) {}
    void event(const TraceEvent& e) override {
        if (second_ != nullptr)
            second_->event(e);
        first_.event(e);
    }
    void lost(const TraceLoss& loss) override {
        if (second_ != nullptr)
            second_->lost(loss);
        first_.lost(loss);
    }

private:
    TraceSink& first_;
    TraceSink* second_;
};
} // namespace

Judged judgeTrace(TraceInput& input, TraceNames& names, const JudgeOptions& options) {
    const auto begun = std::chrono::steady_clock::now();
    Judged judged;
    judged.rebuild = std::make_unique<Rebuild>(Rebuild::Options{.kernel = options.kernel}, options.watch);
    TraceOrder order(*judged.rebuild);
    Tee tee(order, options.events);
    if (options.follow)
        input.whileWaiting([&] {
            order.flush();
            return options.goOn(judged.rebuild->transitions());
        });
    judged.read = readTrace(input, names, tee, [&](u64 events) { return judged.rebuild->full() == 0 && options.goOn(events); });
    order.flush();
    if (judged.read.counts.events == 0 && judged.read.whole)
        throw InputError(input.name(), 1, 1, "no event of KVM's traces is in it; `mirrorscope explain` knows lines of dmesg");
    judged.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    return judged;
}

} // namespace mirrorscope
