// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <string>

class QGuiApplication;
class QImage;

namespace mirrorscope::views {

// Fonts and pictures need an application; where there is none this is one, without a display, for as long as it lives.
class OwnApplication {
public:
    OwnApplication();
    ~OwnApplication();
    OwnApplication(const OwnApplication&) = delete;
    OwnApplication& operator=(const OwnApplication&) = delete;

private:
    std::unique_ptr<QGuiApplication> own_;
};

// Painted at twice its size; null when it is too large.
QImage imageOf(const std::string& svg);
// Throws std::runtime_error.
void svgToPng(const std::string& svg, const std::string& file);

} // namespace mirrorscope::views
