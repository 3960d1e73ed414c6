// SPDX-License-Identifier: GPL-3.0-or-later
#include "views/picture.h"

#include <QGuiApplication>
#include <QImage>
#include <QPainter>
#include <QSaveFile>
#include <QSvgRenderer>

#include <stdexcept>

namespace mirrorscope::views {

OwnApplication::OwnApplication() {
    if (QCoreApplication::instance() != nullptr)
        return;
    static int argc = 1;
    static char name[] = "mirrorscope";
    static char* argv[] = {name, nullptr};
    qputenv("QT_QPA_PLATFORM", "offscreen");
    own_ = std::make_unique<QGuiApplication>(argc, argv);
}
OwnApplication::~OwnApplication() = default;

QImage imageOf(const std::string& svg) {
    QSvgRenderer renderer(QByteArray::fromStdString(svg));
    // As high as it can be painted: a picture has at most 32767 rows.
    constexpr int kLargest = 32767;
    const QSize size = renderer.defaultSize();
    const double scale = std::min(2.0, static_cast<double>(kLargest) / std::max(1, size.height()));
    QImage image(size * scale, QImage::Format_RGB32);
    if (!renderer.isValid() || image.isNull())
        return {};
    image.fill(Qt::white);
    QPainter painter(&image);
    renderer.render(&painter);
    return image;
}

void svgToPng(const std::string& svg, const std::string& file) {
    const OwnApplication application;
    const QImage image = imageOf(svg);
    if (image.isNull())
        throw std::runtime_error(file + ": the picture is too large");
    QSaveFile out(QString::fromStdString(file));
    if (!out.open(QIODevice::WriteOnly) || !image.save(&out, "PNG") || !out.commit())
        throw std::runtime_error(file + ": cannot be written");
}

} // namespace mirrorscope::views
