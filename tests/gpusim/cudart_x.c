#include "mask.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int ei(const char *k, int d) {
  char *v = getenv(k);
  return v ? atoi(v) : d;
}
int cudaGetDevice(int *d) {
  *d = 0;
  return 0;
}
int cudaGetDeviceCount(int *n) {
  *n = mask_count();
  return *n ? 0 : 100;
}
int cudaDriverGetVersion(int *v) {
  *v = ei("GPUSIM_CUDA_DRIVER", 13000);
  return 0;
}
int cudaRuntimeGetVersion(int *v) {
  *v = ei("GPUSIM_CUDART", 12090);
  return 0;
}
const char *cudaGetErrorString(int e) {
  return e ? "stub error" : "no error";
}
const char *cudaGetErrorName(int e) {
  return e ? "cudaErrorStub" : "cudaSuccess";
}
int cudaFuncGetAttributes(void *a, const void *f) {
  memset(a, 0, 64);
  return 0;
}
void **__cudaRegisterFatBinary(void *p) {
  static void *x;
  return &x;
}
char __cudaInitModule(void **h) {
  return 1;
}
unsigned __cudaPushCallConfiguration() {
  return 0;
}
int cudaDeviceGetAttribute(int *o, int a, int d) {
  *o = a == 75 ? 9 : 0;
  return 0;
}
int cudaDeviceGetStreamPriorityRange(int *a, int *b) {
  *a = *b = 0;
  return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *f, int size, size_t shared) {
  *blocks = 1;
  return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *b, const void *f, int s, size_t n, unsigned w) {
  *b = 1;
  return 0;
}
/* Offsets in CUDA 12's struct cudaDeviceProp (driver_types.h, 12.5): TensorFlow divides by some of these numbers. */
int cudaGetDeviceProperties_v2(char *properties, int device) {
  static const int known[][2] = {{308, 32},   {320, 1024}, {324, 1024}, {328, 1024}, {332, 64}, {336, 2147483647},
                                 {340, 65535}, {344, 65535}, {388, 132}, {624, 2048}};
  memset(properties, 0, 1032);
  *(size_t *)(properties + 288) = (size_t)ei("GPUSIM_MEM_MIB", 16384) << 20;
  *(size_t *)(properties + 296) = 49152;
  *(int *)(properties + 360) = ei("GPUSIM_CC_MAJOR", 9);
  *(int *)(properties + 364) = ei("GPUSIM_CC_MINOR", 0);
  for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
    *(int *)(properties + known[i][0]) = known[i][1];
  return 0;
}
