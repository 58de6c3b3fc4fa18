import ts from 'typescript';

/**
 * Checks that everything a door hands out says what it is: a docstring with a description on each export, and an
 * `@example` on each function.
 *
 * @param doors paths of the doors' source files
 */
export function checkDoorDocs(doors: readonly string[], options: ts.CompilerOptions): string[] {
  const program = ts.createProgram([...doors], options);
  const checker = program.getTypeChecker();
  return doors.flatMap((door) => {
    const source = program.getSourceFile(door);
    const module = source && checker.getSymbolAtLocation(source);
    if (!module) return [`${door}: not a module, or not there`];
    const exported = checker.getExportsOfModule(module);
    if (exported.length === 0) return [`${door}: hands out nothing`];
    return exported.flatMap((name) => checkExport(name, door, checker));
  });
}

function checkExport(exported: ts.Symbol, door: string, checker: ts.TypeChecker): string[] {
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const description = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
  const where = `${door}: ${exported.name}`;
  if (description === '') return [`${where} has no docstring; say what it does`];
  const isFunction = (symbol.flags & ts.SymbolFlags.Function) !== 0;
  const hasExample = symbol.getJsDocTags(checker).some((tag) => tag.name === 'example');
  return isFunction && !hasExample ? [`${where} has no @example; show one call`] : [];
}
