/* python.exe: hands its arguments to the interpreter in pythonXY.dll, which lies beside it.
   x86_64-w64-mingw32-gcc -municode launcher.c pythonXY.dll -o python.exe */

#include <wchar.h>

__declspec(dllimport) int Py_Main(int argc, wchar_t **argv);

int wmain(int argc, wchar_t **argv)
{
    return Py_Main(argc, argv);
}
