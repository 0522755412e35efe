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
