// The embedding of one picture, with OpenVINO in C++.
//
//   pip install openvino          (its headers and libraries are in the Python package)
//   cmake -S . -B build -DOpenVINO_DIR=$(python -c "import openvino; print(openvino.__path__[0])")/cmake
//   cmake --build build && build/embed model.onnx picture.ppm
//
// picture.ppm (P6) has the size that the network takes; mean and std are those of its model.yml.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <openvino/openvino.hpp>

namespace {

constexpr float mean[] = {0.485f, 0.456f, 0.406f};
constexpr float deviation[] = {0.229f, 0.224f, 0.225f};

struct Picture {
    std::size_t width = 0, height = 0;
    std::vector<std::uint8_t> pixels;  // RGB, row by row
};

Picture read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    Picture picture;
    int largest = 0;
    file >> magic >> picture.width >> picture.height >> largest;
    file.get();
    if (!file || magic != "P6" || largest != 255)
        throw std::runtime_error(path + " is not a binary PPM (P6) of 8 bits");
    picture.pixels.resize(3 * picture.width * picture.height);
    file.read(reinterpret_cast<char*>(picture.pixels.data()), picture.pixels.size());
    if (!file) throw std::runtime_error(path + " ends too early");
    return picture;
}

// (1, 3, height, width): channels first, (value / 255 - mean) / deviation.
ov::Tensor to_tensor(const Picture& picture) {
    const std::size_t area = picture.width * picture.height;
    ov::Tensor tensor(ov::element::f32, {1, 3, picture.height, picture.width});
    float* data = tensor.data<float>();
    for (std::size_t i = 0; i < area; ++i)
        for (std::size_t c = 0; c < 3; ++c)
            data[c * area + i] = (picture.pixels[3 * i + c] / 255.0f - mean[c]) / deviation[c];
    return tensor;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3) throw std::runtime_error("usage: embed model.onnx picture.ppm");
    ov::Core core;
    // Left to itself it computes in bfloat16 wherever the processor can.
    auto model = core.compile_model(argv[1], "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = model.create_infer_request();
    request.set_input_tensor(to_tensor(read_ppm(argv[2])));
    request.infer();
    const ov::Tensor output = request.get_output_tensor(0);
    const float* vector = output.data<float>();
    const float* end = vector + output.get_size();
    const float norm = std::sqrt(std::inner_product(vector, end, vector, 0.0f));
    for (const float* value = vector; value != end; ++value)
        std::printf("%s%.8g", value == vector ? "[" : ", ", *value / norm);
    std::printf("]\n");
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
